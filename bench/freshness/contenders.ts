// The contenders: Postern, nginx, and PostgREST by itself. All end at the same PostgREST, each through its own counting proxy.
import {
	issueCallerToken,
	issueToken,
} from "../../gateway/cli/stack/tokens.ts";
import { startNginx } from "./nginx.ts";
import { type CountingOrigin, startCountingOrigin } from "./origin.ts";
import { type BenchStack, type Cleanup, startPostern } from "./stack.ts";

/** A server to read and write through. */
export interface Contender {
	readonly name: string;
	/** PostgREST's root at each isolate, or at the only server. */
	readonly entrances: readonly string[];
	readonly origin: CountingOrigin;
	/** `Authorization` of the writers. Readers send none, because nginx could not keep the answers of several callers apart. */
	readonly authorization: string;
	/** The time to live of a cache that expires its answers. */
	readonly ttlSeconds?: number;
}

const WRITER = { role: "authenticated", sub: "writer" };
const WRITER_LIFETIME_SECONDS = 3_600;

export async function postern(
	stack: BenchStack,
	isolates: number,
	maxStalenessSeconds: number,
	cleanup: Cleanup,
): Promise<Contender> {
	const { cluster, origin } = await startPostern(
		stack,
		isolates,
		maxStalenessSeconds,
		cleanup,
	);
	const { tokenSigningKey } = stack.credentials;
	return {
		name: `Postern, maximum staleness ${maxStalenessSeconds} s`,
		entrances: cluster.instances.map(({ url }) => `${url}/rest/v1`),
		origin,
		authorization: `Bearer ${await issueCallerToken(tokenSigningKey, WRITER)}`,
	};
}

export async function nginx(
	stack: BenchStack,
	command: string,
	ttlSeconds: number,
	cleanup: Cleanup,
): Promise<Contender> {
	const origin = await countingOrigin(stack, cleanup);
	const server = await startNginx(command, origin.url, ttlSeconds);
	cleanup.push(server.stop);
	return {
		name: `nginx, TTL = ${ttlSeconds} s`,
		entrances: [server.url],
		origin,
		authorization: await originToken(stack),
		ttlSeconds,
	};
}

export async function direct(
	stack: BenchStack,
	cleanup: Cleanup,
): Promise<Contender> {
	const origin = await countingOrigin(stack, cleanup);
	return {
		name: "no cache",
		entrances: [origin.url],
		origin,
		authorization: await originToken(stack),
	};
}

async function countingOrigin(
	{ postgrestUrl }: BenchStack,
	cleanup: Cleanup,
): Promise<CountingOrigin> {
	const origin = await startCountingOrigin(postgrestUrl);
	cleanup.push(origin.stop);
	return origin;
}

async function originToken({ credentials }: BenchStack): Promise<string> {
	const token = await issueToken(
		credentials.originSigningKey,
		{ aud: "postgrest", ...WRITER },
		WRITER_LIFETIME_SECONDS,
	);
	return `Bearer ${token}`;
}
