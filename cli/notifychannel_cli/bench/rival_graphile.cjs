// Graphile Worker (https://worker.graphile.org/, MIT) as a contender of `bench durable`; not installed with us.
//
// Eager it works 24 jobs at a time, as its own performance test does, prompt 10 (one does not keep up with 200/s). A job
// is handled when its function is called. node rival_graphile.cjs FOLDER DSN MODE ...: FOLDER holds its node_modules; `contender_program.py`
// says the rest. process.hrtime is the clock of Python's time.monotonic.
"use strict";

const { createRequire } = require("node:module");
const { join } = require("node:path");

const [folder, connectionString, mode, ...args] = process.argv.slice(2);
const { run, makeWorkerUtils, Logger } = createRequire(join(folder, "node_modules", "x"))("graphile-worker");

const CONCURRENCY = { eager: 24, prompt: 10 };
const ADD = `
SELECT graphile_worker.add_jobs(array_agg(json_populate_record(NULL::graphile_worker.job_spec, json_build_object(
    'identifier', 'change', 'payload', json_build_object('number', number)))))
FROM generate_series($1::int, $2::int) AS number`;
const logger = new Logger(() => () => undefined);
const now = () => Number(process.hrtime.bigint()) / 1e9;
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function withUtils(use) {
  const utils = await makeWorkerUtils({ connectionString, logger });
  try {
    return await utils.withPgClient((client) => use(client, utils));
  } finally {
    await utils.release();
  }
}

const modes = {
  prepare: () => withUtils((_client, utils) => utils.migrate()),
  forget: () => withUtils((client) => client.query("DELETE FROM graphile_worker._private_jobs")),
  enqueue: (count, atATime) =>
    withUtils(async (client) => {
      const started = now();
      for (let first = 0; first < +count; first += +atATime) {
        await client.query({ name: "add", text: ADD, values: [first, Math.min(first + +atATime, +count) - 1] });
      }
      return now() - started;
    }),
  pace: (count, perSecond) =>
    withUtils(async (client) => {
      const made = [];
      const began = now();
      for (let number = 0; number < +count; number++) {
        await pause(Math.max(0, began + number / +perSecond - now()));
        made.push([number, now()]);
        await client.query({ name: "add", text: ADD, values: [number, number] });
      }
      return made;
    }),
  work: async (count, width) => {
    const handled = new Map();
    let everything;
    const all = new Promise((resolve) => (everything = resolve));
    const change = async ({ number }) => {
      if (!handled.has(number)) handled.set(number, now());
      if (handled.size >= +count) everything();
    };
    const concurrency = CONCURRENCY[width];
    const options = { connectionString, concurrency, maxPoolSize: concurrency + 1, noHandleSignals: true, logger };
    const runner = await run({ ...options, taskList: { change } });
    if (width === "prompt") await new Promise((resolve) => runner.events.once("pool:listen:success", resolve));
    console.log("ready");
    await all;
    await runner.stop();
    return [...handled];
  },
};

modes[mode](...args).then(
  (printed) => {
    const isPlain = typeof printed === "number" || Array.isArray(printed);
    process.stdout.write(JSON.stringify(isPlain ? printed : null) + "\n");
  },
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
