// The order of the checks of `postern doctor`: settings, database, PostgREST, what the gateway's schema says, issuers.
import { createRequire } from "node:module";
import {
	checkDatabase,
	checkTimeouts,
	type Database,
	openDatabase,
} from "./database.ts";
import type { FaultContext } from "./faults.ts";
import { operator, Report } from "./finding.ts";
import { checkIssuers, checkToken } from "./issuers.ts";
import { checkCatalog } from "./not-cacheable.ts";
import {
	callersRoles,
	checkOrigin,
	checkRoles,
	checkSchemas,
	checkStrangers,
} from "./origin.ts";
import { type Ask, createAsk } from "./postgrest.ts";
import {
	loadSettings,
	type Settings,
	type SettingsOptions,
} from "./settings.ts";
import { checkSchemaCache, checkStatus, type Status } from "./tracking.ts";

export interface DiagnoseOptions extends SettingsOptions {
	/** As the owner of its tables. Without it, only what PostgREST shows is checked. */
	database?: string;
	/** A caller's token. */
	token?: string;
}

const { version } = createRequire(import.meta.url)("postern/package.json");

export async function diagnose({
	database: url,
	token,
	...options
}: DiagnoseOptions): Promise<Report> {
	const report = new Report();
	const settings = await loadSettings(options, report);
	const database = url ? await openDatabase(url, report) : undefined;
	if (!url)
		report.skip("database", "there is no --database and no DATABASE_URL");
	try {
		if (database !== undefined) await checkDatabase(database, report);
		await checkStack(settings, database, report);
		if (database !== undefined && settings.config !== undefined)
			await checkTimeouts(database, callersRoles(settings.config), report);
	} finally {
		await database?.end();
	}
	const { config } = settings;
	if (config !== undefined) {
		await checkIssuers(config, report);
		if (token !== undefined) await checkToken(token, config, report);
	}
	return report;
}

/** PostgREST and what the gateway's schema says of itself: through PostgREST, or else from the database. */
async function checkStack(
	settings: Settings,
	database: Database | undefined,
	report: Report,
): Promise<void> {
	const { config, feed, isBound } = settings;
	const cachesUntestedVersions = feed?.cachesUntestedVersions ?? false;
	const context = {
		version,
		schemas: feed?.schemas ?? ["api"],
		cachesUntestedVersions,
	};
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
		cachesUntestedVersions,
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
		const isOther = isOtherDatabase(answer, own);
		if (isOther)
			report.addWrong(
				"database",
				"DATABASE_URL is not the database behind PostgREST",
				operator("set DATABASE_URL to the database of PostgREST's db-uri"),
			);
		if (asked !== undefined) await checkSchemaCache(asked, report);
		const catalog = await loadCatalog(asked);
		if (catalog === undefined) return;
		const { mends } = status;
		await checkCatalog(
			catalog,
			{ mends, database: isOther ? undefined : database },
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

/** What two calls of `postern.status()` answer. */
function isOtherDatabase(one: unknown, other: unknown): boolean {
	const [seen, own] = [one, other].map(
		(status) => (status as Status | undefined)?.databaseIncarnation,
	);
	return Boolean(seen && own && seen !== own);
}
