// The Worker's environment as `postern dev` gives it to the Worker: the vars of the Worker's configuration, .dev.vars, and the
// Worker's own variables in .env. Finds what is wrong with it by the Worker's own rules.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { z } from "zod";
import {
	type FeedSettings,
	parseFeedSettings,
} from "../../src/settings/feed-settings.ts";
import { ConfigError } from "../../src/settings/parse-variables.ts";
import {
	type Config,
	environment,
	parseConfig,
} from "../../src/settings/settings.ts";
import { ENV_FILE } from "../stack/credentials.ts";
import {
	findWranglerConfig,
	loadWrangler,
	withoutReplaced,
} from "../stack/wrangler.ts";
import { command, operator, type Report } from "./finding.ts";

export interface SettingsOptions {
	/** Where .env is. */
	folder?: string;
	/** The Worker's configuration. */
	config?: string;
	/** An environment in it. */
	env?: string;
	/** In place of ORIGIN_URL: where PostgREST is seen from here. */
	origin?: string;
}

export interface Settings {
	/** Undefined where a variable is wrong. */
	readonly config: Readonly<Config> | undefined;
	/** Undefined where a variable is wrong that the way to PostgREST needs. */
	readonly feed: FeedSettings | undefined;
	/** PostgREST is behind a Workers VPC binding, which cannot be used from here. */
	readonly isBound: boolean;
}

/** The part of what wrangler reads that matters here. Its own type for it is not published. */
const workerShape = z.object({
	vars: z.record(z.string(), z.unknown()).default({}),
	kv_namespaces: z.array(z.object({ binding: z.string() })).default([]),
	vpc_services: z.array(z.object({ binding: z.string() })).default([]),
	durable_objects: z.object({
		bindings: z.array(z.object({ name: z.string() })),
	}),
});

/** What `postern env` makes. */
const MADE = ["ORIGIN_SIGNING_KEY", "TOKEN_JWKS"];

/** @throws {Error} one line, where there is no configuration of the Worker, or no wrangler to read it */
export async function loadSettings(
	options: SettingsOptions,
	report: Report,
): Promise<Settings> {
	const file = findWranglerConfig(options.config);
	const wrangler = await loadWrangler();
	const read = workerShape.parse(
		wrangler.unstable_readConfig(
			{ config: file, env: options.env },
			{ hideWarnings: true },
		),
	);
	const bindings = [
		...read.vpc_services.map(({ binding }) => binding),
		...read.kv_namespaces.map(({ binding }) => binding),
		...read.durable_objects.bindings.map(({ name }) => name),
	];
	const own = {
		...read.vars,
		...(await devVars(dirname(file), options.env)),
	};
	const made = await workersPartOf(join(options.folder ?? "", ENV_FILE));
	const env = {
		...own,
		...withoutReplaced(made, new Set(Object.keys(own))),
		...(options.origin ? { ORIGIN_URL: options.origin } : {}),
		...Object.fromEntries(bindings.map((name) => [name, {}])),
	};
	checkBindings(bindings, report);
	const config = parsed(() => parseConfig(env), report);
	const feed = config ?? parsed(() => parseFeedSettings(env), report);
	const isBound = bindings.includes("ORIGIN") && !options.origin;
	return { config, feed, isBound };
}

function checkBindings(bindings: readonly string[], report: Report): void {
	if (!bindings.includes("CHANGE_FEED"))
		report.addWrong(
			"bindings",
			"The Worker has no binding CHANGE_FEED: nothing is cached",
			operator(
				'add to wrangler.jsonc: "exports": { "ChangeFeed": { "type": "durable-object", "storage": "sqlite" } }, "durable_objects": { "bindings": [{ "name": "CHANGE_FEED", "class_name": "ChangeFeed" }] }',
			),
		);
	if (!bindings.includes("CACHE"))
		report.addNote(
			"bindings",
			"The Worker has no binding CACHE: each isolate keeps answers in its own memory only",
			operator(
				'add to wrangler.jsonc: "kv_namespaces": [{ "binding": "CACHE" }]',
			),
		);
}

function parsed<Value>(parse: () => Value, report: Report): Value | undefined {
	try {
		return parse();
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		for (const [name, fault] of Object.entries(error.variables)) {
			report.addWrong(
				"settings",
				`${name} ${fault}`,
				fault === "is missing" && MADE.includes(name)
					? command("npx postern env")
					: operator(
							`set ${name} in wrangler.jsonc, .dev.vars or .env: docs/settings.md says what it may hold`,
						),
			);
		}
		return undefined;
	}
}

/** wrangler reads the file of the environment where there is one. */
async function devVars(
	folder: string,
	env: string | undefined,
): Promise<NodeJS.Dict<string>> {
	const names = [
		...(env === undefined ? [] : [`.dev.vars.${env}`]),
		".dev.vars",
	];
	const found = names
		.map((name) => join(folder, name))
		.find((file) => existsSync(file));
	return found === undefined ? {} : parseEnv(await readFile(found, "utf8"));
}

/** The file holds passwords as well, which the Worker never gets. */
async function workersPartOf(file: string): Promise<NodeJS.Dict<string>> {
	if (!existsSync(file)) return {};
	const variables = parseEnv(await readFile(file, "utf8"));
	return Object.fromEntries(
		Object.entries(variables).filter(([name]) => name in environment.shape),
	);
}
