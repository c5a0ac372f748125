// The rows of the report: what is asked, whose CPU time is counted, and what it is compared with.
import { setTimeout as sleep } from "node:timers/promises";
import {
	issueCallerToken,
	issueToken,
} from "../../gateway/cli/stack/tokens.ts";
import type { BenchStack } from "../freshness/stack.ts";
import { NOTES } from "../freshness/tables.ts";
import type { Floor } from "./floor.ts";
import { askedOf, type Hit, LIST, MANY, ONE } from "./hits.ts";
import { type Asked, ask, load } from "./load.ts";
import { type Postern, pollOf, type Server } from "./postern.ts";

export interface Side {
	readonly pids: readonly number[];
	asked(number: number): Asked;
}

export interface Row {
	readonly name: string;
	/** What it is compared with. */
	readonly base: string;
	/** The ratio that it should have. */
	readonly aim?: number;
	readonly status: number;
	/** What Postern's Cache-Status has. */
	readonly says?: string;
	/** How many times a round's requests are sent: once without it. */
	readonly share?: number;
	readonly concurrency?: number;
	/** Before each round's requests. */
	prepare?(postern: Postern, count: number): Promise<void>;
	of(postern: Postern): Side;
	readonly against: Side;
}

export interface World extends BenchStack {
	readonly hits: readonly Hit[];
	readonly floor: Floor;
	readonly tutorial: Server;
	readonly postern: Postern;
}

const WRITER = { role: "authenticated", sub: "writer" };
const EMPTY = "an empty route";
const PROXY = "a proxy";
const ORIGIN = "PostgREST and Postgres";
/** A hit takes so little that more of them are needed to measure it. */
const HITS = 3;
/** 1,080 kB. */
const MEGABYTE = "/articles?select=*,again:body";
/** Those that KV is filled with have got there. */
const PUT_WITHIN_MS = 500;

export async function rowsOf(world: World): Promise<Row[]> {
	return [
		...world.hits.map((hit, index) => ofHit(world, hit, index)),
		...hitsBesideOrigin(world),
		hitInKv(world),
		...misses(world),
		...(await writes(world)),
		...(await polls(world)),
	];
}

function ofHit({ floor }: World, hit: Hit, index: number): Row {
	return {
		...{ name: hit.name, base: EMPTY, aim: hit.aim, status: hit.status },
		...{ says: "; hit", share: HITS },
		of: ({ whole }) => ({
			pids: whole.pids,
			asked: (number) => askedOf(hit, whole, number),
		}),
		against: {
			pids: pidsOf(floor),
			asked: (number) => ({
				url: floor.answerUrl(index),
				headers: hit.headersOf(number),
			}),
		},
	};
}

/** A hit spares the origin the same read. */
function hitsBesideOrigin({ originPids, postgrestUrl }: World): Row[] {
	const row = (name: string, path: string, aim: number): Row => ({
		...{ name: `hit, ${name}`, base: `${ORIGIN} for it`, aim, status: 200 },
		...{ says: "; hit", share: HITS },
		of: ({ whole }) => at(whole.pids, `${whole.url}/rest/v1${path}`),
		against: at(originPids, postgrestUrl + path),
	});
	return [row("one row", ONE, 0.3), row("list of 20 rows", LIST, 0.2)];
}

/** Each URL is asked for once, so that the isolate's memory does not have it. */
function hitInKv({ tutorial }: World): Row {
	let first = 0;
	let next = 1;
	const asked = (root: string) => (number: number) => ({
		url: `${root}${ONE}&limit=${first + number}`,
	});
	return {
		...{ name: "hit in KV", base: "a tutorial's hit in KV", aim: 1.5 },
		...{ status: 200, says: 'detail="kv"', share: 0.3 },
		async prepare({ filler }, count) {
			first = next;
			next += count;
			const check = () => {};
			for (const root of [`${filler.url}/rest/v1`, tutorial.url])
				await load({ count, check }, asked(root));
			await sleep(PUT_WITHIN_MS);
		},
		of: ({ isolate }) => ({
			pids: isolate.pids,
			asked: asked(`${isolate.url}/rest/v1`),
		}),
		against: {
			pids: tutorial.pids,
			asked: asked(tutorial.url),
		},
	};
}

interface MissOptions {
	readonly headers?: Readonly<Record<string, string>>;
	/** The whole one puts into KV what is asked for a second time, the filler everything. */
	readonly by?: "whole" | "filler";
	readonly share?: number;
}

function misses({ floor }: World): Row[] {
	const row = (
		name: string,
		aim: number,
		path: () => string,
		{ headers = {}, by = "whole", share = 0.3 }: MissOptions = {},
	): Row => ({
		...{ name, base: PROXY, aim, status: 200, share },
		of: ({ [by]: { pids, url } }) => ({
			pids,
			asked: () => ({ url: `${url}/rest/v1${path()}`, headers }),
		}),
		against: {
			pids: pidsOf(floor),
			asked: () => ({ url: floor.proxyUrl + path(), headers }),
		},
	});
	const notStored = { headers: { "cache-control": "no-store" } };
	let asked = 0;
	const once = (path: string) => () => {
		asked += 1;
		return `${path}&id=gt.-${asked}`;
	};
	const kept = (name: string, path: string, share: number): Row[] => [
		row(`${name}, kept in memory`, 1.4, once(path), { share }),
		row(`${name}, put into KV`, 2.2, once(path), { share, by: "filler" }),
	];
	return [
		row("bypass", 1.25, () => ONE, { headers: { prefer: "tx=rollback" } }),
		row("miss, not kept", 1.4, () => ONE, notStored),
		...kept("miss", ONE, 0.2),
		...kept("miss, 20 kB", MANY, 0.1),
		row("miss, 1 MB, not kept", 2, () => MEGABYTE, {
			...notStored,
			share: 0.05,
		}),
	];
}

async function writes(world: World): Promise<Row[]> {
	const { credentials, floor } = world;
	const [ofCaller, ofOrigin] = await Promise.all([
		issueCallerToken(credentials.tokenSigningKey, WRITER),
		issueToken(
			credentials.originSigningKey,
			{ aud: "postgrest", ...WRITER },
			3_600,
		),
	]);
	const patch =
		(root: string, token: string) =>
		(number: number): Asked => ({
			url: `${root}/notes?id=eq.${1 + (number % NOTES)}`,
			method: "PATCH",
			headers: {
				authorization: `Bearer ${token}`,
				"content-type": "application/json",
			},
			body: JSON.stringify({ title: `Note ${number}` }),
		});
	const common = { status: 204, share: 0.2 };
	const patches = (
		name: string,
		posternOf: (postern: Postern) => Pick<Postern, "whole" | "isolate">,
		originPids: readonly number[],
	): Row[] => {
		const writing = ({ url }: Server) => patch(`${url}/rest/v1`, ofCaller);
		const row = (part: string, aim: number, which: "whole" | "isolate") => ({
			...{ name: `${name}, ${part}`, base: "a proxied one", aim, ...common },
			of(postern: Postern) {
				const server = posternOf(postern)[which];
				return { pids: server.pids, asked: writing(server) };
			},
			against: {
				pids: pidsOf(floor),
				asked: patch(floor.proxyUrl, ofOrigin),
			},
		});
		return [
			row("the isolate", 1.5, "isolate"),
			row("the isolate and the object", 2.5, "whole"),
			{
				...{ name: `${name}, ${ORIGIN}`, base: `${ORIGIN} for a proxied one` },
				...{ aim: 1.5, ...common },
				of: (postern) => ({
					pids: originPids,
					asked: writing(posternOf(postern).whole),
				}),
				against: {
					pids: world.originPids,
					asked: patch(floor.proxyUrl, ofOrigin),
				},
			},
		];
	};
	return [
		...patches("PATCH", (postern) => postern, world.originPids),
		...patches(
			"PATCH with db-pre-request",
			({ naming }) => naming,
			world.naming.originPids,
		),
	];
}

/** One after another: polls that are asked for at once are one. */
async function polls({
	postern,
	floor,
	originPids,
	postgrestUrl,
}: World): Promise<Row[]> {
	const polled = new Map<Postern, Asked>();
	const common = { status: 200, share: 0.2, concurrency: 1 };
	const asked = (postern: Postern) => () => polled.get(postern) as Asked;
	const prepare = async (postern: Postern) => {
		polled.set(postern, await pollOf(postern.object));
	};
	await ask(await pollOf(postern.object));
	return [
		{
			...{ name: "a poll, the object", base: PROXY, ...common, prepare },
			of: (postern) => ({ pids: postern.object.pids, asked: asked(postern) }),
			against: at(pidsOf(floor), floor.proxyUrl + ONE),
		},
		{
			...{ name: `a poll, ${ORIGIN}`, ...common, prepare },
			base: `${ORIGIN} for one row`,
			of: (postern) => ({ pids: originPids, asked: asked(postern) }),
			against: at(originPids, postgrestUrl + ONE),
		},
	];
}

function at(pids: readonly number[], url: string): Side {
	return { pids, asked: () => ({ url }) };
}

function pidsOf({ pid }: Floor): number[] {
	return [pid ?? 0];
}
