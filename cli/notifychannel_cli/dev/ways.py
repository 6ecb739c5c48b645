"""How an application comes to the hints of each channel, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from notifychannel_sidecar.config import Way

if TYPE_CHECKING:
    from notifychannel_cli.sidecar_process import SidecarProcess
    from notifychannel_sidecar.config import ChannelConfig


def lines(sidecar: SidecarProcess) -> list[str]:
    """One for each channel."""
    return [_line(channel, sidecar.local_port) for channel in sidecar.config.channels]


def _line(channel: ChannelConfig, local_port: int) -> str:
    match channel.way:
        case Way.POST:
            return f"  {channel.name} is POSTed to http://127.0.0.1:{channel.port}{channel.path}"
        case Way.STREAM:
            return f"  {channel.name} is read: GET http://127.0.0.1:{local_port}/v1/stream?channel={channel.name}"
        case Way.CLAIM:
            return f"  {channel.name} is claimed: POST http://127.0.0.1:{local_port}/v1/claim"
        case never:
            assert_never(never)
