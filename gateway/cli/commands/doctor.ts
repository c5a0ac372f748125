// `postern doctor`: what is wrong between the database, PostgREST and the Worker's settings, with what mends it.
import { createRequire } from "node:module";
import { type Command, Option } from "commander";
import { checkDatabase, openDatabase } from "../doctor/database.ts";
import type { FaultContext } from "../doctor/faults.ts";
import { operator, Report } from "../doctor/finding.ts";
import { checkIssuers, checkToken } from "../doctor/issuers.ts";
import { checkCatalog } from "../doctor/not-cacheable.ts";
import {
	checkOrigin,
	checkRoles,
	checkSchemas,
	checkStrangers,
} from "../doctor/origin.ts";
import { type Ask, createAsk } from "../doctor/postgrest.ts";
import { asText } from "../doctor/print.ts";
import { loadSettings, type Settings } from "../doctor/settings.ts";
import {
	checkSchemaCache,
	checkStatus,
	type Status,
} from "../doctor/tracking.ts";

interface DoctorOptions {
	config?: string;
	env?: string;
	origin?: string;
	database?: string;
	token?: string;
	json?: true;
}

type Database = Awaited<ReturnType<typeof openDatabase>>;

const { version } = createRequire(import.meta.url)("postern/package.json");

export function addDoctor(postern: Command): void {
	postern
		.command("doctor")
		.description(
			"find what is wrong between the database, PostgREST and the Worker's settings, and print what mends it; fails where something is wrong",
		)
		.option(
			"--config <file>",
			"the Worker's configuration (default: wrangler.jsonc)",
		)
		.option("--env <name>", "an environment of the Worker's configuration")
		.addOption(
			new Option(
				"--origin <url>",
				"where PostgREST is seen from here (default: the Worker's ORIGIN_URL)",
			).env("ORIGIN_URL"),
		)
		.addOption(
			new Option(
				"--database <url>",
				"the database, as the owner of its tables (without: only what PostgREST shows is checked)",
			).env("DATABASE_URL"),
		)
		.option("--token <jwt>", "a caller's token: find out why it is refused")
		.option("--json", "print JSON")
		.action(doctor);
}

async function doctor({
	database: url,
	token,
	json,
	...options
}: DoctorOptions): Promise<void> {
	const report = new Report();
	const settings = await loadSettings(options, report);
	const database = url ? await openDatabase(url, report) : undefined;
	if (!url)
		report.skip("database", "there is no --database and no DATABASE_URL");
	try {
		if (database !== undefined) await checkDatabase(database, report);
		await checkStack(settings, database, report);
	} finally {
		await database?.end();
	}
	const { config } = settings;
	if (config !== undefined) {
		await checkIssuers(config, report);
		if (token !== undefined) await checkToken(token, config, report);
	}
	console.log(json ? JSON.stringify(report, null, 2) : asText(report));
	const wrong = report.findings.filter(({ isWrong }) => isWrong).length;
	if (wrong > 0)
		throw new Error(
			`${wrong} ${wrong === 1 ? "thing is" : "things are"} wrong.`,
		);
}

/** PostgREST and what the gateway's schema says of itself: through PostgREST, or else from the database. */
async function checkStack(
	settings: Settings,
	database: Database,
	report: Report,
): Promise<void> {
	const { config, feed, isBound } = settings;
	const context = { version, schemas: feed?.schemas ?? ["api"] };
	if (feed === undefined || isBound) {
		report.skip(
			"origin",
			isBound
				? "PostgREST is behind the binding ORIGIN: --origin says where it is seen from here"
				: "the settings that it needs are wrong",
		);
		await checkSchema(undefined);
		return;
	}
	const ask = createAsk(feed.origin);
	const faults: FaultContext = {
		origin: feed.origin,
		schemas: feed.schemas,
		login: database?.login ?? "authenticator",
		findHook: database?.findHook ?? (async () => undefined),
		isMigrated: database?.isMigrated,
	};
	const answer = await checkOrigin(ask, faults, report);
	await checkSchema(answer === undefined ? undefined : ask, answer);
	if (answer === undefined) return;
	await checkSchemas(ask, feed.schemas, report);
	if (config !== undefined) await checkRoles(ask, config, faults, report);
	await checkStrangers(ask, report);

	async function checkSchema(asked: Ask | undefined, answer?: unknown) {
		const own =
			database?.isMigrated === true
				? await database.findJson("select postern.status()")
				: undefined;
		const read = answer ?? own;
		if (read === undefined) return;
		const mayWatch = database?.mayWatch;
		const status = checkStatus(read, { ...context, mayWatch }, report);
		if (status === undefined) return;
		if (answer !== undefined && own !== undefined)
			checkIsSameDatabase(answer as Status, own as Status, report);
		if (asked !== undefined) await checkSchemaCache(asked, report);
		const catalog = await loadCatalog(asked);
		if (catalog === undefined) return;
		const { mends } = status;
		await checkCatalog(
			catalog,
			{ mends, findText: database?.findText },
			report,
		);
	}

	/** PostgREST's own session knows more of its search path and of its pre-request function. */
	async function loadCatalog(asked: Ask | undefined): Promise<unknown> {
		const preRequest = feed?.preRequest;
		if (asked === undefined)
			return database?.findJson("select postern.catalog($1, $2)", [
				context.schemas,
				preRequest,
			]);
		const query = new URLSearchParams({
			schemas: `{${context.schemas.map((name) => JSON.stringify(name)).join(",")}}`,
			...(preRequest === undefined ? {} : { pre_request: preRequest }),
		});
		const { json, error } = await asked(`/rpc/catalog?${query}`);
		if (error === undefined) return json;
		report.skip("cacheability", error.message);
		return undefined;
	}
}

function checkIsSameDatabase(
	{ databaseIncarnation: seen }: Status,
	{ databaseIncarnation: own }: Status,
	report: Report,
): void {
	if (seen && own && seen !== own)
		report.wrong(
			"database",
			"DATABASE_URL is not the database behind PostgREST",
			operator("set DATABASE_URL to the database of PostgREST's db-uri"),
		);
}
