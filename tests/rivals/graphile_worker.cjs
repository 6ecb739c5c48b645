// Graphile Worker (MIT, https://worker.graphile.org/) as a rival; not installed with us. FOLDER DSN prepare | URL.
//
// A trigger adds a job for each row, as its documentation says; a job posts and is done at 2xx. 24 at a time, as in its
// own performance test.
"use strict";

const { createRequire } = require("node:module");
const { join } = require("node:path");
const http = require("node:http");

const [folder, connectionString, what] = process.argv.slice(2);
const { run, makeWorkerUtils, Logger } = createRequire(join(folder, "node_modules", "x"))("graphile-worker");

const CONCURRENCY = 24;
const TRIGGER = `
CREATE FUNCTION add_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM graphile_worker.add_job('change', json_build_object('id', NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER add_change AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION add_change()`;
const logger = new Logger(() => () => undefined);
const agent = new http.Agent({ keepAlive: true });

const post = (url, body) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers: { "content-type": "application/json" } });
    request.on("response", (response) => {
      response.resume();
      response.on("end", () => (response.statusCode < 300 ? resolve() : reject(new Error(`${response.statusCode}`))));
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });

async function prepare() {
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  await utils.withPgClient((client) => client.query(TRIGGER));
  await utils.release();
}

async function work() {
  const change = ({ id }) => post(what, { hints: [{ key: { id } }] });
  const options = { connectionString, concurrency: CONCURRENCY, maxPoolSize: CONCURRENCY + 1, logger };
  const runner = await run({ ...options, taskList: { change } });
  await runner.promise;
}

(what === "prepare" ? prepare() : work()).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
