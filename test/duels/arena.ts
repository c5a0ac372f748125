// Where duels are fought: a database and a PostgREST, and before it two isolates that share one change feed and a KV that another
// party can change. The gateway stores answers at once after a change of the schema, where it would wait until PostgREST has loaded it:
// isolation may not lean on that pause.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import {
	type Database,
	startDatabase,
} from "../histories/database/database.ts";
import { FRONT, RELAY } from "../histories/faults/feed-relay.ts";
import {
	bundleMutated,
	type FileChange,
} from "../histories/scenarios/mutated-bundle.ts";
import { sendRaw } from "../support/raw-http.ts";
import { startKv } from "../support/workerd/kv.ts";
import { startWorkerd } from "../support/workerd/workerd.ts";
import { createHostileKv, type HostileKv } from "./hostile-kv.ts";
import { createTokens, type Side } from "./sides.ts";
import { MAKE_ROLES, MAKE_WORLD } from "./world.ts";

/** The smallest MAX_STALENESS_SECONDS. */
export const MAX_STALENESS_MS = 1_000;

const STORES_AT_ONCE: FileChange = {
	file: "cache/cache.ts",
	from: "if (!view.isSchemaLoaded)",
	to: "if (false)",
};

export interface Answer {
	/** Status and body, without what sets questions apart. */
	readonly text: string;
	readonly cacheStatus: string;
}

/** A question that was perhaps never asked before. */
export interface Question {
	readonly relation: string;
	readonly number: number;
}

export interface Arena {
	/** As superuser. */
	readonly client: pg.Client;
	readonly kv: HostileKv;
	/** Whether PostgREST uses prepared statements, so that an old question may be answered by old policies. */
	readonly isPrepared: boolean;
	/** A question with a text of its own. */
	fresh(relation: string): Question;
	askGateway(isolate: 0 | 1, question: Question, side: Side): Promise<Answer>;
	/** Asks PostgREST itself, in a text of its own. */
	askDatabase(relation: string, side: Side): Promise<string>;
	stop(): Promise<void>;
}

export async function startArena({
	isPrepared,
	changes = [],
}: {
	isPrepared: boolean;
	changes?: readonly FileChange[];
}): Promise<Arena> {
	const cleanup: (() => Promise<unknown>)[] = [];
	const stop = async () => {
		for (const end of cleanup.reverse()) await end();
		cleanup.length = 0;
	};
	try {
		const database = await startDatabase({
			schema: [MAKE_ROLES, ...MAKE_WORLD].join(";\n"),
			settings: {
				PGRST_DB_PRE_REQUEST: "hooks.check",
				PGRST_DB_PREPARED_STATEMENTS: String(isPrepared),
			},
		});
		cleanup.push(database.stop);
		const client = await database.connect();
		cleanup.push(() => client.end());
		const kv = createHostileKv();
		const bundle = await bundleMutated([STORES_AT_ONCE, ...changes]);
		const urls = await startIsolates(database, bundle, kv, cleanup);
		return { client, kv, isPrepared, ...asking(database, urls), stop };
	} catch (error) {
		await stop();
		throw error;
	}
}

async function startIsolates(
	database: Database,
	bundle: string,
	kv: HostileKv,
	cleanup: (() => Promise<unknown>)[],
): Promise<readonly [string, string]> {
	const kvServer = await startKv(kv);
	cleanup.push(kvServer.stop);
	const storageDirectory = await mkdtemp(join(tmpdir(), "postern-duels-"));
	cleanup.push(() => rm(storageDirectory, { recursive: true, force: true }));
	const frontPort = await freePort();
	const common = {
		bundle,
		kv: { CACHE: kvServer.address },
		log: () => {},
		variables: {
			...workerVariables(database.postgrestUrl, database.credentials),
			MAX_STALENESS_SECONDS: String(MAX_STALENESS_MS / 1_000),
			// Every answer, so that each duel meets KV.
			KV_FROM_ASK: "1",
			TOKEN_ROLES: "authenticated,duel_staff",
			// As an operator has to whose PostgREST prepares no statements.
			PRE_REQUEST: "hooks.check",
		},
	};
	const first = await startWorkerd({
		...common,
		port: await freePort(),
		storageDirectory,
		companions: [{ name: "front", source: FRONT, port: frontPort }],
	});
	cleanup.push(first.stop);
	const second = await startWorkerd({
		...common,
		port: await freePort(),
		companions: [
			{
				name: "relay",
				source: RELAY,
				servers: { OBJECT: `${LOOPBACK}:${frontPort}` },
			},
		],
		objectsIn: "relay",
	});
	cleanup.push(second.stop);
	return [first.url, second.url];
}

function asking(
	{ credentials, postgrestUrl }: Database,
	urls: readonly [string, string],
): Pick<Arena, "fresh" | "askGateway" | "askDatabase"> {
	const tokens = createTokens(credentials);
	let asked = 0;
	const fresh = (relation: string) => {
		asked += 1;
		return { relation, number: asked };
	};
	const ask = async (
		url: string,
		root: string,
		{ relation, number }: Question,
		headers: Record<string, string>,
	): Promise<Answer> => {
		const path = `${root}/${relation}?select=id,owner,at,n${number}:id&order=id`;
		const answer = await sendRaw(url, { method: "GET", path, headers });
		const fields = new Map(
			answer.headers.map(([name, value]) => [name.toLowerCase(), value]),
		);
		return {
			text: `${answer.status} ${answer.body.toString().replaceAll(/"n\d+":/g, "")}`,
			cacheStatus: fields.get("cache-status") ?? "",
		};
	};
	return {
		fresh,
		async askGateway(isolate, question, { caller, fields }) {
			const headers = { ...fields, ...(await tokens.atGateway(caller)) };
			return ask(urls[isolate], "/rest/v1", question, headers);
		},
		async askDatabase(relation, { caller, fields }) {
			const headers = { ...fields, ...(await tokens.atPostgrest(caller)) };
			const { text } = await ask(postgrestUrl, "", fresh(relation), headers);
			// PostgREST has no anonymous role here, so the gateway says who is anonymous.
			return caller.role === "anon" ? text.replace(/^403 /, "401 ") : text;
		},
	};
}
