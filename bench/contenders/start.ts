// What may stand between a client and the same Postgres.
import { startFloor } from "../cost/floor.ts";
import { LIST, ONE, warm } from "../cost/hits.ts";
import type { Asked } from "../cost/load.ts";
import { type Setting, startWhole } from "../cost/postern.ts";
import { startTutorial } from "../cost/tutorial.ts";
import { findNginx, startNginx } from "../freshness/nginx.ts";
import type { Cleanup } from "../freshness/stack.ts";
import { startSqlWorker } from "./sql-worker.ts";

export const READS = { "one row": ONE, "list of 20 rows": LIST } as const;
export type Read = keyof typeof READS;

export interface Contender {
	readonly name: string;
	/** By the names of their programs. */
	readonly processes: Readonly<Record<string, number>>;
	asked(read: Read): Asked;
}

/** What the others are compared with. */
export const DIRECT = "PostgREST itself";
/** Longer than the bench. */
const TTL_SECONDS = 3_600;

/** The same URL each time: a cache that has it answers. */
export const again = (root: string) => (read: Read) => ({
	url: root + READS[read],
});

let asked = 1_000;
/** A URL that was not asked for before, with the same answer. */
export const once = (root: string) => (read: Read) => {
	asked += 1;
	return { url: `${root}${READS[read]}&limit=${asked}` };
};

export async function startContenders(setting: Setting): Promise<Contender[]> {
	const { stack, cleanup } = setting;
	const { postgrestUrl, originPids } = stack;
	const [postgrest = 0, postgres = 0] = originPids;
	const origin = { PostgREST: postgrest, Postgres: postgres };
	const floor = await startFloor([], postgrestUrl);
	cleanup.push(floor.stop);
	const workerd = floor.pid ?? 0;
	const tutorial = await startTutorial(postgrestUrl, cleanup);
	const [tutorialPid = 0] = tutorial.pids;
	const postern = await startWarm(setting);
	const [posternPid = 0] = postern.pids;
	const caching = (name: string, root: string, own: Contender["processes"]) => {
		const processes = { ...own, ...origin };
		return [
			{ name: `${name}, hit`, processes, asked: again(root) },
			{ name: `${name}, miss`, processes, asked: once(root) },
		];
	};
	return [
		{ name: DIRECT, processes: origin, asked: once(postgrestUrl) },
		{
			name: "a one-line proxy",
			processes: { workerd, ...origin },
			asked: once(floor.proxyUrl),
		},
		...(await sqlWorker(stack.databaseUrl, postgres, cleanup)),
		...(await nginx(postgrestUrl, cleanup)).flatMap(({ url, pid }) =>
			caching("nginx `proxy_cache`", url, { nginx: pid }),
		),
		...caching("a tutorial's KV cache", tutorial.url, { workerd: tutorialPid }),
		...caching("Postern", `${postern.url}/rest/v1`, { workerd: posternPid }),
	];
}

/** Postern, whose catalog is known. */
export async function startWarm({ stack, bundle, hits, cleanup }: Setting) {
	const postern = await startWhole(bundle, stack, cleanup);
	for (const hit of hits.slice(0, 1)) await warm(hit, postern);
	return postern;
}

async function sqlWorker(
	databaseUrl: string,
	Postgres: number,
	cleanup: Cleanup,
): Promise<Contender[]> {
	const worker = await startSqlWorker(databaseUrl, cleanup);
	if (worker === undefined) {
		console.log("There is no PgBouncer here (Debian: pgbouncer): left out.");
		return [];
	}
	const { url, pid, poolerPid } = worker;
	return [
		{
			name: "a Worker that asks Postgres",
			processes: { workerd: pid, PgBouncer: poolerPid, Postgres },
			asked: once(url),
		},
	];
}

/** @returns none if this machine has no nginx */
export async function nginx(
	originUrl: string,
	cleanup: Cleanup,
): Promise<{ url: string; pid: number }[]> {
	const command = await findNginx();
	if (command === undefined) {
		console.log("There is no nginx here (Debian: nginx-light): left out.");
		return [];
	}
	const server = await startNginx(command, originUrl, TTL_SECONDS);
	cleanup.push(server.stop);
	return [{ url: server.url, pid: server.pid ?? 0 }];
}
