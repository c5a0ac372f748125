// Plays cases on a world, several at once, and tells what is wrong. A violation is made smaller: mutations that it does not need are
// taken out.
import { setTimeout as sleep } from "node:timers/promises";
import { createLocalJWKSet } from "jose";
import { issueToken } from "../../gateway/cli/stack/tokens.ts";
import { type Case, type CaseOptions, caseOf } from "./cases.ts";
import {
	faultsOfArrived,
	faultsOfWrites,
	isOfRuntime,
	isPosterns,
	isUnreached,
	judge,
	LIMIT_MS,
} from "./judge.ts";
import { type Answer, type Exchange, exchange } from "./wire.ts";
import { CALLER, type World, type Write } from "./world.ts";

export interface Violation {
	readonly index: number;
	readonly faults: readonly string[];
	readonly bytes: Buffer;
	readonly mutations: string;
}

export interface Figures {
	cases: number;
	requests: number;
	/** Answers by status; `runtime`: what workerd refused before the Worker saw it. */
	readonly answers: Map<string, number>;
	/** Connections that ended without an answer. */
	unanswered: number;
	/** Server errors that PostgREST itself gives for the same request. */
	sameAtPostgrest: number;
	/** Refusals that say truly that nothing was written, because a connection had ended; the same request is answered when it is sent again. */
	unreached: number;
	arrived: number;
	written: number;
	slowestMs: number;
	readonly violations: Violation[];
}

export interface RunOptions {
	readonly seed: number;
	/** How many requests to send. */
	readonly requests: number;
	readonly world: World;
	readonly concurrency: number;
	/** Of one case only. */
	readonly only?: number;
	readonly onBatch?: (figures: Figures) => void;
}

interface Played {
	readonly one: Case;
	readonly seen: Exchange;
}

/** Cases between two looks at what was written. */
const BATCH = 200;
/** Time for connections to be refused for good and the last writes to be committed. */
const END_AFTER_MS = 250;

export async function run(options: RunOptions): Promise<Figures> {
	const { world, requests, only } = options;
	const figures: Figures = {
		...{
			cases: 0,
			requests: 0,
			unanswered: 0,
			sameAtPostgrest: 0,
			unreached: 0,
		},
		...{ arrived: 0, written: 0, slowestMs: 0 },
		answers: new Map(),
		violations: [],
	};
	const refused = new Set<number>();
	const before = await world.untouchable();
	await world.takeWrites();
	world.takeArrived();
	for (let from = only ?? 0; ; from += BATCH) {
		const size = only === undefined ? BATCH : 1;
		const played = await playBatch(options, from, size);
		await judgeBatch(options, played, figures, refused);
		options.onBatch?.(figures);
		if (only !== undefined || figures.requests >= requests) break;
	}
	if ((await world.untouchable()) !== before)
		figures.violations.push(ofAll("rows that nobody may change were changed"));
	if (world.forbiddenConnections() > 0)
		figures.violations.push(ofAll("the forbidden host was asked"));
	return figures;
}

function ofAll(fault: string): Violation {
	const faults = [fault];
	return { index: -1, faults, bytes: Buffer.alloc(0), mutations: "" };
}

async function playBatch(
	{ seed, world, concurrency }: RunOptions,
	from: number,
	size: number,
): Promise<Played[]> {
	const played: Played[] = [];
	let next = from;
	const worker = async () => {
		while (next < from + size)
			played.push(await play({ seed, index: next++, world }));
	};
	await Promise.all(Array.from({ length: concurrency }, worker));
	return played;
}

async function play(options: CaseOptions): Promise<Played> {
	const one = caseOf(options);
	const mayWait = one.requests.some(({ draft }) => draft?.mayWait);
	const seen = await exchange(
		Buffer.concat(one.requests.map(({ bytes }) => bytes)),
		{
			url: options.world.stack.gatewayUrl,
			methods: one.requests.map(({ draft }) => draft?.method ?? "GET"),
			expected: one.requests.length,
			limitMs: LIMIT_MS,
			...(mayWait || one.requests.length > 1
				? { endAfterMs: mayWait ? END_AFTER_MS : LIMIT_MS / 2 }
				: {}),
		},
	);
	return { one, seen };
}

async function judgeBatch(
	options: RunOptions,
	played: readonly Played[],
	figures: Figures,
	refused: Set<number>,
): Promise<void> {
	const { world } = options;
	const originKeys = createLocalJWKSet(
		JSON.parse(world.stack.credentials.originJwks),
	);
	const writes = Map.groupBy(await world.takeWrites(), ({ trace }) =>
		indexIn(trace),
	);
	for (const request of world.takeArrived()) {
		figures.arrived++;
		const { host } = new URL(world.stack.network.url);
		const faults = await faultsOfArrived(request, host, originKeys);
		if (faults.length > 0)
			figures.violations.push({
				...ofAll(""),
				faults,
				mutations: `${request.start} ${request.headers.join("\n")}`,
			});
	}
	for (const { one, seen } of played) {
		note(figures, one, seen);
		const written = writes.get(one.index) ?? [];
		writes.delete(one.index);
		figures.written += written.length;
		const mayWait = one.requests.some(({ draft }) => draft?.mayWait);
		const isRefused = seen.answers.every(({ status }) => status >= 400);
		if (isRefused && !mayWait) refused.add(one.index);
		const faults = await faultsOf(options, { one, seen }, written, figures);
		if (faults.length > 0)
			figures.violations.push(await smaller(options, one, faults));
	}
	// One that was under way when the client hung up may end later.
	for (const [index, list] of writes)
		if (index < 0 || refused.has(index))
			figures.violations.push(
				ofAll(
					`rows written by no answered request: ${JSON.stringify(list[0])}`,
				),
			);
}

async function faultsOf(
	options: RunOptions,
	{ one, seen }: Played,
	written: readonly Write[],
	figures?: Figures,
): Promise<string[]> {
	const { world } = options;
	const { faults, serverErrors } = judge(one, seen, world.forbiddenHost);
	const all = [
		...faults,
		...faultsOfWrites(written, seen.answers, one.requests),
	];
	for (const answer of serverErrors) {
		if (!isPosterns(answer) && (await isSameAtPostgrest(world, one, answer))) {
			if (figures) figures.sameAtPostgrest++;
		} else if (isUnreached(answer) && !(await isUnreachedAgain(options, one))) {
			if (figures) figures.unreached++;
		} else {
			const text = answer.body.subarray(0, 200).toString("latin1");
			all.push(`${answer.start}: ${text}`);
		}
	}
	return all;
}

/** Sends the case once more: docs/transparency.md tells of writes that meet a connection which PostgREST has closed after a HEAD. */
async function isUnreachedAgain(
	{ seed, world }: RunOptions,
	{ index }: Case,
): Promise<boolean> {
	for (let times = 0; times < 3; times++) {
		// The breaker lets a request through each second.
		await sleep(1_100);
		const { seen } = await play({ seed, index, world });
		// What it has written is not the first one's.
		await world.takeWrites();
		if (!seen.answers.some(isUnreached)) return false;
	}
	return true;
}

/** Sends the same bytes to PostgREST itself, but for the mount, with a token of the caller's role. */
async function isSameAtPostgrest(
	{ stack }: World,
	{ requests }: Case,
	{ status }: Answer,
): Promise<boolean> {
	const url = stack.postgrestUrl;
	for (const { draft, as, bytes } of requests) {
		const caller =
			as === "caller"
				? { role: "authenticated", sub: CALLER }
				: { role: "anon" };
		const claims = { aud: "postgrest", iss: "postern", ...caller };
		const { originSigningKey } = stack.credentials;
		const token = await issueToken(originSigningKey, claims, 300);
		const direct = bytes
			.toString("latin1")
			.replaceAll(/^(authorization|apikey|host|postern-\w+):.*\r?\n/gim, "")
			.replace("/rest/v1", "")
			// Some cases end their lines by \n alone.
			.replace(
				/\r?\n/,
				`\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${token}\r\n`,
			);
		const seen = await exchange(Buffer.from(direct, "latin1"), {
			url,
			methods: [draft?.method ?? "GET"],
			expected: 1,
			limitMs: LIMIT_MS,
			endAfterMs: END_AFTER_MS,
		});
		if (seen.answers[0]?.status === status) return true;
	}
	return false;
}

/** The violation with as few mutations as show it. */
async function smaller(
	options: RunOptions,
	one: Case,
	faults: readonly string[],
): Promise<Violation> {
	const { seed, world } = options;
	const without = new Set<string>();
	let known = { one, faults };
	for (const [part, list] of one.mutations.entries()) {
		for (const at of list.keys()) {
			const fewer = new Set(without).add(`${part}.${at}`);
			const played = await play({
				seed,
				index: one.index,
				world,
				without: fewer,
			});
			const written = (await world.takeWrites()).filter(
				({ trace }) => indexIn(trace) === one.index,
			);
			const left = await faultsOf(options, played, written);
			if (left.length === 0) continue;
			without.add(`${part}.${at}`);
			known = { one: played.one, faults: left };
		}
	}
	return {
		index: one.index,
		faults: known.faults,
		bytes: Buffer.concat(known.one.requests.map(({ bytes }) => bytes)),
		mutations: one.mutations
			.map((list, part) =>
				list
					.filter((_, at) => !without.has(`${part}.${at}`))
					.map(({ name }) => name)
					.join(", "),
			)
			.join("; "),
	};
}

function note(
	figures: Figures,
	one: Case,
	{ answers, tookMs }: Exchange,
): void {
	figures.cases++;
	figures.requests += one.requests.length;
	figures.slowestMs = Math.max(figures.slowestMs, tookMs);
	if (answers.length === 0) figures.unanswered++;
	answers.forEach((answer, at) => {
		const method = one.requests[at]?.draft?.method;
		const isRuntimes = isOfRuntime(answer, method);
		const kind = isRuntimes ? "runtime" : String(answer.status);
		figures.answers.set(kind, 1 + (figures.answers.get(kind) ?? 0));
	});
}

function indexIn(trace: string): number {
	return /^0/.test(trace ?? "") ? Number.parseInt(trace.slice(0, 24), 16) : -1;
}

export function tell(figures: Figures): string {
	const answers = [...figures.answers]
		.toSorted(([one], [other]) => one.localeCompare(other))
		.map(([status, count]) => `${status}: ${count}`)
		.join(", ");
	return [
		`${figures.requests} requests in ${figures.cases} connections; ${figures.unanswered} connections ended without an answer`,
		`answers: ${answers}`,
		`${figures.arrived} requests arrived at PostgREST, ${figures.written} rows were written`,
		`server errors that PostgREST gives as well: ${figures.sameAtPostgrest}; writes that met a closed connection: ${figures.unreached}; slowest: ${Math.round(figures.slowestMs)} ms`,
		`violations: ${figures.violations.length}`,
	].join("\n");
}

export function tellViolation(
	seed: number,
	{ index, faults, bytes, mutations }: Violation,
): string {
	const text = bytes
		.toString("latin1")
		.replaceAll(/eyJ[\w.-]{200,}/g, "<token>");
	return `--seed ${seed} --only ${index} (${mutations})\n  ${faults.join("\n  ")}\n  ${JSON.stringify(text.slice(0, 1_500))}`;
}
