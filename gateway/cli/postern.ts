#!/usr/bin/env node
// The command `postern`. Exit codes: 0, 1 when something failed, 2 when it was called wrongly. An error is one line on
// standard error.
import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { addAnalyze } from "./commands/analyze.ts";
import { addDev } from "./commands/dev.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEnv } from "./commands/env.ts";
import { addInit } from "./commands/init.ts";
import { addKey } from "./commands/key.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addRotateKey } from "./commands/rotate-key.ts";
import { addSql } from "./commands/sql.ts";
import { addStatus } from "./commands/status.ts";
import { addToken } from "./commands/token.ts";
import { addTrack } from "./commands/track.ts";
import { addTypes } from "./commands/types.ts";

const { version } = createRequire(import.meta.url)("postern/package.json");

if (Number.parseInt(process.versions.node, 10) < 22) {
	fail(
		`Node 22.12 or newer is needed, this is ${process.versions.node}: npm install --save-dev node@24`,
	);
}

// `postern … | head`: nothing is left to do when the reader of the output has gone.
process.stdout.on("error", () => process.exit(1));
process.on("uncaughtException", fail);

const postern = new Command("postern")
	.description(
		"PostgREST at the edge: runs it here, and looks after its database and keys.",
	)
	.version(version)
	.option(
		"--dir <folder>",
		"work in this folder, not in the current one",
		enter,
	)
	.configureHelp({ showGlobalOptions: true })
	.configureOutput({
		outputError: (text, write) => write(`${asOneLine(text)}\n`),
	})
	.exitOverride();
for (const add of [
	addInit,
	addDev,
	addEnv,
	addToken,
	addKey,
	addRotateKey,
	addMigrate,
	addTrack,
	addAnalyze,
	addTypes,
	addSql,
	addStatus,
	addDoctor,
])
	add(postern);

try {
	await postern.parseAsync();
} catch (error) {
	fail(error);
}

/** Everything that the command reads and writes is named relative to the current directory. */
function enter(folder: string): string {
	try {
		process.chdir(folder);
		return folder;
	} catch {
		throw new InvalidArgumentError("There is no such folder.");
	}
}

function fail(error: unknown): never {
	if (error instanceof CommanderError)
		process.exit(error.exitCode === 0 ? 0 : 2);
	console.error(`error: ${asOneLine(messageOf(error))}`);
	process.exit(1);
}

function messageOf(error: unknown): string {
	// A host name with several addresses fails with one error for each of them.
	if (error instanceof AggregateError && error.message === "")
		return messageOf(error.errors[0]);
	if (!(error instanceof Error)) return String(error);
	return "code" in error && error.code === "ECONNREFUSED"
		? `No database answers (${error.message}): \`postern dev\` starts one.`
		: error.message;
}

function asOneLine(text: string): string {
	return text.trim().replaceAll(/\s*\n\s*/g, " ");
}
