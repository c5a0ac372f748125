// Postern as it is measured: a whole one in one process, and one in parts, each in a process of its own.
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import { FRONT, RELAY } from "../../test/histories/faults/feed-relay.ts";
import { keptIn, startKv } from "../../test/support/workerd/kv.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import type { BenchStack, Cleanup } from "../freshness/stack.ts";
import type { Hit } from "./hits.ts";
import { ask, CONCURRENCY } from "./load.ts";

/** What the parts of `npm run bench` share. */
export interface Setting {
	readonly stack: BenchStack;
	readonly bundle: string;
	readonly hits: readonly Hit[];
	/** Of the part. */
	readonly cleanup: Cleanup;
}

/** A server, and the processes that it consists of. */
export interface Server {
	readonly url: string;
	readonly pids: readonly number[];
}

export interface Postern {
	/** An isolate with its objects. */
	readonly whole: Server;
	/** An isolate whose change feed is the object below. Its KV and the next one's are one. */
	readonly isolate: Server;
	/** The first two again, in front of a PostgREST that names the transactions of writes. */
	readonly naming: Pick<Postern, "whole" | "isolate">;
	/** Puts every answer into KV at once. */
	readonly filler: Server;
	/** How many values the whole one has put into its KV. */
	kvWrites(): number;
	/** The change feed's object: each request is one call. */
	readonly object: Server;
}

/** The name of the object that polls. */
const FEED_URL = "/sync?name=feed";

/** An isolate with its objects in one process. */
export async function startWhole(
	bundle: string,
	{ credentials, postgrestUrl }: BenchStack,
	cleanup: Cleanup,
	{ variables, ...options }: Partial<Parameters<typeof startWorkerd>[0]> = {},
): Promise<Server> {
	const worker = await startWorkerd({
		...{ bundle, log: () => {}, port: await freePort(), ...options },
		variables: {
			...workerVariables(postgrestUrl, credentials),
			// No request waits for a place.
			ORIGIN_REQUESTS_PER_RELATION: String(CONCURRENCY),
			...variables,
		},
	});
	cleanup.push(worker.stop);
	return { url: worker.url, pids: [worker.pid ?? 0] };
}

/** The change feed's object, which takes calls over HTTP. */
export async function startObject(
	bundle: string,
	stack: BenchStack,
	cleanup: Cleanup,
): Promise<Server> {
	const port = await freePort();
	const { pids } = await startWhole(bundle, stack, cleanup, {
		companions: [{ name: "front", source: FRONT, port }],
	});
	return { pids, url: `http://${LOOPBACK}:${port}${FEED_URL}` };
}

export async function startPostern(
	bundle: string,
	stack: BenchStack,
	cleanup: Cleanup,
): Promise<Postern> {
	const start = (
		options: Parameters<typeof startWhole>[3],
		{ postgrestUrl } = stack as Pick<BenchStack, "postgrestUrl">,
	) => startWhole(bundle, { ...stack, postgrestUrl }, cleanup, options);
	const kv = await startKv();
	cleanup.push(kv.stop);
	const storage = keptIn(new Map());
	let writes = 0;
	const countingKv = await startKv({
		...storage,
		put(key, entry) {
			writes += 1;
			return storage.put(key, entry);
		},
	});
	cleanup.push(countingKv.stop);
	const object = await startObject(bundle, stack, cleanup);
	const servers = { OBJECT: new URL(object.url).host };
	const asPart = {
		kv: { CACHE: kv.address },
		companions: [{ name: "relay", source: RELAY, servers }],
		objectsIn: "relay",
	};
	return {
		whole: await start({ kv: { CACHE: countingKv.address } }),
		kvWrites: () => writes,
		isolate: await start(asPart),
		naming: {
			whole: await start({}, stack.naming),
			isolate: await start(asPart, stack.naming),
		},
		filler: await start({ ...asPart, variables: { KV_FROM_ASK: "1" } }),
		object,
	};
}

/** A call of the object, which polls unless its last poll is young enough: it knows the caller to have all changes. */
export async function pollOf({ url }: Server, maxAgeMs = 0) {
	const poll = (known: object | undefined) => ({
		...{ url, method: "POST" },
		body: JSON.stringify({ known, maxAgeMs }),
	});
	const { body } = await ask(poll(undefined));
	const { feedEpoch, seq } = JSON.parse(`${body}`).answer;
	return poll({ feedEpoch, seq });
}
