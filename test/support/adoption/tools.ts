// The adopter's programs, in a folder for PATH. None of them is downloaded: they are this repository's.
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { findPostgrest } from "../../../gateway/cli/stack/postgrest.ts";
import { PROJECT } from "../project.ts";

const { resolve } = createRequire(import.meta.url);

/** As psql does, each `-c` in a transaction of its own, and files. psql is in no npm package. */
const PSQL = `#!${process.execPath}
const { Client } = require(${JSON.stringify(resolve("pg"))});
const { readFileSync } = require("node:fs");
const [connectionString, ...options] = process.argv.slice(2);
const READ = { "-c": (text) => text, "-f": (file) => readFileSync(file, "utf8") };
const statements = options.flatMap((option, index) => READ[options[index - 1]]?.(option) ?? []);
const client = new Client({ connectionString });
(async () => {
	await client.connect();
	for (const statement of statements) await client.query(statement);
	await client.end();
})().catch((error) => {
	console.error(error);
	process.exit(1);
});
`;

/** wrangler is large: it is linked. */
const NPM = `#!/bin/sh
if [ "$*" = "install --save-dev wrangler" ]; then
	exec ln -s ${JSON.stringify(join(PROJECT, "node_modules", "wrangler"))} node_modules/wrangler
fi
PATH=\${PATH#*:} exec npm "$@" --no-audit --no-fund
`;

/** @returns the value of PATH with the programs */
export async function makeTools(folder: string): Promise<string> {
	await mkdir(folder);
	await writeFile(join(folder, "psql"), PSQL, { mode: 0o755 });
	await writeFile(join(folder, "npm"), NPM, { mode: 0o755 });
	await symlink(await findPostgrest(), join(folder, "postgrest"));
	return [folder, dirname(process.execPath), process.env.PATH].join(":");
}
