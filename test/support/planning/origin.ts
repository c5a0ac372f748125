// A test file's own Postgres and PostgREST, which answer and explain how they would: to compare the
// plan with the tables that are read.
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { asAuthenticator } from "../../../gateway/cli/stack/addresses.ts";
import { makeCredentials } from "../../../gateway/cli/stack/credentials.ts";
import { prepareDatabase } from "../../../gateway/cli/stack/database.ts";
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../../gateway/cli/stack/postgres.ts";
import { startPostgrest } from "../../../gateway/cli/stack/postgrest.ts";
import { issueToken } from "../../../gateway/cli/stack/tokens.ts";
import { catalogParts } from "../../../gateway/src/feed/catalog-parts.ts";
import type { Identity } from "../../../gateway/src/identity/identity.ts";
import {
	type Catalog,
	parseCatalog,
} from "../../../gateway/src/planner/catalog.ts";
import { type RawAnswer, sendRaw } from "../raw-http.ts";

/** The planned schemas; PostgREST exposes `postern`, too. */
export const SCHEMAS = ["api", "other"];

export interface Ask {
	readonly method: string;
	readonly path: string;
	readonly headers: Readonly<Record<string, string>>;
	/** Of a POST. */
	readonly body?: string;
}

/** The raw catalog, from which random requests are made. */
export interface Facts {
	readonly relations: readonly {
		readonly schema: string;
		readonly name: string;
		readonly kind: string;
		readonly tag: string | null;
		readonly reads: readonly string[];
		readonly columns: readonly { name: string; type: string }[];
		readonly computed: Readonly<Record<string, string>>;
	}[];
	readonly functions: readonly {
		readonly schema: string;
		readonly name: string;
		readonly signature: string;
		readonly arguments: readonly { name: string; type: string }[];
		readonly returnsRelation: string | null;
		readonly volatility: string;
	}[];
	readonly foreignKeys: readonly {
		readonly name: string;
		readonly from: KeyEnd;
		readonly to: KeyEnd;
	}[];
}

interface KeyEnd {
	readonly schema: string;
	readonly name: string;
	readonly tag: string;
	readonly columns: readonly string[];
}

export interface PlanningOrigin {
	/** The database, as superuser. */
	readonly client: pg.Client;
	/** The present result of postern.catalog. */
	catalog(): Promise<{ catalog: Catalog; facts: Facts }>;
	ask(ask: Ask, identity: Identity): Promise<RawAnswer>;
	stop(): Promise<void>;
}

export async function startPlanningOrigin(): Promise<PlanningOrigin> {
	const cleanup: (() => Promise<unknown>)[] = [];
	const stop = async () => {
		for (const end of cleanup.reverse()) await end();
	};
	try {
		const credentials = await makeCredentials();
		const log = () => {};
		const directory = await mkdtemp(join(tmpdir(), "postern-planning-"));
		cleanup.push(() => rm(directory, { recursive: true }));
		await chmod(directory, 0o755);
		const postgres = await startPostgres({
			dataDirectory: join(directory, "postgres"),
			port: await freePort(),
			password: credentials.postgresPassword,
			log,
		});
		cleanup.push(postgres.stop);
		const { authenticatorPassword } = credentials;
		await prepareDatabase({ url: postgres.url, authenticatorPassword, log });
		const client = new pg.Client(postgres.url);
		await client.connect();
		cleanup.push(() => client.end());
		// A changed execution plan would change the order of unordered rows.
		await client.query("alter system set autovacuum = off");
		await client.query("alter system set plan_cache_mode = force_custom_plan");
		await client.query("select pg_reload_conf()");
		for (const file of ["../transparency/fixture.sql", "fixture.sql"]) {
			await client.query(
				await readFile(new URL(file, import.meta.url), "utf8"),
			);
		}
		const postgrest = await startPostgrest({
			databaseUrl: asAuthenticator(postgres.url, authenticatorPassword),
			jwks: credentials.originJwks,
			publicUrl: "http://localhost",
			port: await freePort(),
			adminPort: await freePort(),
			settings: {
				PGRST_DB_SCHEMAS: [...SCHEMAS, "postern"].join(),
				PGRST_DB_PLAN_ENABLED: "true",
				PGRST_DB_AGGREGATES_ENABLED: "true",
			},
			log,
		});
		cleanup.push(postgrest.stop);
		const tokens = new Map<string, string>();

		/** Origin tokens as origin/sign.ts makes them. */
		async function tokenFor({ role, claims }: Identity): Promise<string> {
			const name = JSON.stringify([role, claims]);
			const token =
				tokens.get(name) ??
				(await issueToken(
					credentials.originSigningKey,
					{ ...claims, role, aud: "postgrest" },
					3_600,
				));
			tokens.set(name, token);
			return token;
		}

		return {
			client,
			stop,
			async catalog() {
				const { rows } = await client.query(
					"select postern.catalog($1) as catalog",
					[SCHEMAS],
				);
				const facts = rows[0].catalog;
				return { catalog: parseCatalog(catalogParts(facts)), facts };
			},
			async ask({ method, path, headers, body }, identity) {
				const authorization = `Bearer ${await tokenFor(identity)}`;
				return sendRaw(postgrest.url, {
					method,
					path,
					headers: { ...headers, authorization },
					...(body === undefined ? {} : { body }),
				});
			},
		};
	} catch (error) {
		await stop();
		throw error;
	}
}
