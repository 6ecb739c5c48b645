"""Every check that there is, in the order of the report. What is not here is not checked; see docs/doctor.md."""

from __future__ import annotations

from notifychannel_cli.doctor.check import Check, Section

API = Check(section=Section.CLUSTER, name="reachable", sentence="the cluster answers and lets the kubeconfig's user in")
CRD = Check(section=Section.CLUSTER, name="crd", sentence="the CRD is there, and of this program's version")
LEADER = Check(section=Section.CLUSTER, name="leader", sentence="a replica of the operator leads")
RIGHTS = Check(section=Section.CLUSTER, name="rbac", sentence="the operator's account may do what it has to")
INJECTOR = Check(section=Section.CLUSTER, name="injector", sentence="a pod with the label comes back with the sidecar")
CERTIFICATE = Check(
    section=Section.CLUSTER, name="certificate", sentence="the injector's certificate is good for weeks"
)
CA_BUNDLE = Check(
    section=Section.CLUSTER, name="ca-bundle", sentence="the API server believes the injector's certificate (caBundle)"
)
CONDITIONS = Check(section=Section.CHANNEL, name="conditions", sentence="no channel says that something is wrong")
SECRET = Check(
    section=Section.CHANNEL, name="secret",
    sentence="each channel's installer Secret is there, with its label and its keys",
)  # fmt: skip
INJECTED = Check(section=Section.PODS, name="injected", sentence="every pod with the label carries the sidecar")
OUTDATED = Check(section=Section.PODS, name="outdated", sentence="every sidecar is as pods are given it now")
GROUP = Check(section=Section.PODS, name="group", sentence="every label names a group that a channel has")
LISTENING = Check(section=Section.PODS, name="listening", sentence="every sidecar listens")
PROBE = Check(section=Section.PODS, name="probe", sentence="what answers on a status port is the sidecar")
TABLES = Check(
    section=Section.CHANNEL, name="tables",
    sentence="the tables, columns and values that the channel names are there, and of a kind that triggers can hear",
)  # fmt: skip
PRIVILEGES = Check(
    section=Section.CHANNEL, name="privileges",
    sentence="the installer is a plain role and has the rights that the channel needs",
)  # fmt: skip
PARTITIONS = Check(
    section=Section.CHANNEL, name="partitions", sentence="the installer may put its triggers on every partition"
)
ROW_SECURITY = Check(
    section=Section.CHANNEL, name="row-security", sentence="no table that a key looks up in has row-level security"
)
TRIGGERS = Check(
    section=Section.CHANNEL, name="triggers", sentence="functions and triggers are as the channel says, by their hashes"
)
ENABLED = Check(section=Section.CHANNEL, name="enabled", sentence="no trigger of ours was disabled by a person")
REPLICATION_ROLE = Check(
    section=Section.CHANNEL, name="replication-role",
    sentence="nobody writes to the tables unheard, as a replica (session_replication_role) or a subscription",
)  # fmt: skip

REACHABLE = Check(
    section=Section.DATABASE, name="reachable", sentence="the database answers and lets the DSN's role in"
)
VERSION = Check(section=Section.DATABASE, name="version", sentence="PostgreSQL is new enough")
ENCODING = Check(section=Section.DATABASE, name="encoding", sentence="the database knows which bytes are text")
PRIMARY = Check(section=Section.DATABASE, name="primary", sentence="the server is no standby")
POOLER = Check(
    section=Section.DATABASE, name="pooler", sentence="LISTEN hears: no pooler in transaction mode is in the way"
)
NOTIFY_QUEUE = Check(section=Section.DATABASE, name="notify-queue", sentence="nobody holds the NOTIFY queue")
COMMIT_LOCK = Check(
    section=Section.DATABASE, name="commit-lock", sentence="no commit waits for another one that has NOTIFYed"
)
CONNECTIONS = Check(section=Section.DATABASE, name="connections", sentence="the server has connections left")
LISTENERS = Check(
    section=Section.DATABASE, name="listeners",
    sentence="no more sidecars listen than `capture: Notify` is fit for, if a channel has it",
)  # fmt: skip
LISTENER_RIGHTS = Check(
    section=Section.DATABASE, name="listener-rights", sentence="whoever listens may call what a listener calls"
)
OUTBOX = Check(section=Section.DATABASE, name="outbox", sentence="the outbox is drained, and small")
QUEUE = Check(section=Section.DATABASE, name="queue", sentence="what waits in the durable queue is being delivered")
DEAD_LETTERS = Check(section=Section.DATABASE, name="dead-letters", sentence="there are no dead letters")
BLOAT = Check(section=Section.DATABASE, name="bloat", sentence="vacuum keeps up with outbox and queue")

EVERY: tuple[Check, ...] = (
    API, CRD, LEADER, RIGHTS, INJECTOR, CERTIFICATE, CA_BUNDLE,
    CONDITIONS, SECRET, TABLES, PRIVILEGES, PARTITIONS, ROW_SECURITY, TRIGGERS, ENABLED, REPLICATION_ROLE,
    INJECTED, OUTDATED, GROUP, LISTENING, PROBE,
    REACHABLE, VERSION, ENCODING, PRIMARY, POOLER, NOTIFY_QUEUE, COMMIT_LOCK, CONNECTIONS, LISTENERS,
    LISTENER_RIGHTS, OUTBOX, QUEUE, DEAD_LETTERS, BLOAT,
)  # fmt: skip
