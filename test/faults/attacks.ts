// npm run test:attacks -- --rate 300
// How long honest callers wait at rest, and while one address floods the gateway: with unknown keys, with guesses at one account, with
// misses. Prints a table. Each attack follows a rest of its own, since the machine does not stay the same.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bundleWorker } from "../support/workerd/bundle.ts";
import { type FaultyStack, startFaultyStack } from "./origin.ts";
import { read, type Seen, WARM_READS } from "./traffic.ts";

const { values } = parseArgs({
	options: {
		/** Requests of an attack in a second, sent whether or not the ones before were answered. */
		rate: { type: "string", default: "300" },
		/** How many times each attack is made, after a rest. */
		rounds: { type: "string", default: "3" },
	},
});
const rate = Number(values.rate);

/** As `postern init` writes it. */
const RATE_LIMITS =
	"requests=6000/1m, misses=100/10s, misses@address=500/10s, writes=50/10s, writes@address=250/10s";

const ATTACKER = { "CF-Connecting-IP": "198.51.100.1" };
const HONEST = 6;
const PAUSE_MS = 100;
const TICK_MS = 20;

interface Attack {
	readonly name: string;
	readonly count: number;
	send(stack: FaultyStack, index: number): Promise<{ status: number }>;
}

let asked = 0;
const newMiss = () => `/rest/v1/products?select=id&id=gt.${asked++}`;

function attacksBy(token: string): Attack[] {
	return [
		{
			name: "10,000 unknown keys",
			count: 10_000,
			send: ({ gatewayUrl }, index) =>
				read(gatewayUrl, "/rest/v1/products?limit=1", {
					...ATTACKER,
					apikey: `postern_secret_${String(index).padStart(43, "0")}`,
				}),
		},
		{
			name: "200 guesses at one account",
			count: 200,
			async send({ gatewayUrl }, index) {
				const answer = await fetch(
					`${gatewayUrl}/auth/v1/token?grant_type=password`,
					{
						method: "POST",
						headers: { ...ATTACKER, "Content-Type": "application/json" },
						body: JSON.stringify({
							email: "owner@example.com",
							password: `guess ${index}`,
						}),
					},
				);
				await answer.arrayBuffer();
				return answer;
			},
		},
		{
			name: "10,000 misses of one caller",
			count: 10_000,
			send: ({ gatewayUrl }) =>
				read(gatewayUrl, newMiss(), {
					...ATTACKER,
					Authorization: `Bearer ${token}`,
				}),
		},
	];
}

/** Honest callers, who ask for hits and misses in turn. */
function startHonest(stack: FaultyStack) {
	const ending = new AbortController();
	const hits: Seen[] = [];
	const misses: Seen[] = [];
	const loops = Array.from({ length: HONEST }, async (_, caller) => {
		const headers = { "CF-Connecting-IP": `203.0.113.${caller + 1}` };
		for (let turn = caller; !ending.signal.aborted; turn++) {
			const isMiss = turn % 3 === 0;
			const path = isMiss ? newMiss() : (WARM_READS[turn % 3] ?? "");
			const seen = await read(stack.gatewayUrl, path, headers);
			(isMiss ? misses : hits).push(seen);
			await sleep(PAUSE_MS);
		}
	});
	return {
		async stop() {
			ending.abort();
			await Promise.all(loops);
			return { hits, misses };
		},
	};
}

/** Sends the attack at its rate. @returns how many answers had which status */
async function play({ count, send }: Attack, stack: FaultyStack) {
	const statuses: Record<number, number> = {};
	const sent: Promise<void>[] = [];
	const startedAt = performance.now();
	while (sent.length < count) {
		const due = Math.min(
			count,
			((performance.now() - startedAt) / 1_000) * rate,
		);
		while (sent.length < due)
			sent.push(
				send(stack, sent.length).then(({ status }) => {
					statuses[status] = (statuses[status] ?? 0) + 1;
				}),
			);
		await sleep(TICK_MS);
	}
	await Promise.all(sent);
	return statuses;
}

interface Waits {
	hits: number[];
	misses: number[];
	/** Answers other than 200. */
	failed: number;
}

const newWaits = (): Waits => ({ hits: [], misses: [], failed: 0 });

function add(waits: Waits, seen: { hits: Seen[]; misses: Seen[] }): void {
	waits.hits.push(...seen.hits.map(({ tookMs }) => tookMs));
	waits.misses.push(...seen.misses.map(({ tookMs }) => tookMs));
	const all = [...seen.hits, ...seen.misses];
	waits.failed += all.filter(({ status }) => status !== 200).length;
}

function p99(waits: readonly number[]): number {
	const sorted = waits.toSorted((one, other) => one - other);
	return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
}

/** At least long enough for a p99 of the honest callers. */
const LEAST_MS = 15_000;

const stack = await startFaultyStack({
	bundle: await bundleWorker(),
	variables: { RATE_LIMITS },
});
try {
	const token = await stack.token("00000000-0000-4000-8000-000000000001");
	const warming = startHonest(stack);
	await sleep(5_000);
	await warming.stop();
	const table = [];
	for (const attack of attacksBy(token)) {
		const [rest, attacked] = [newWaits(), newWaits()];
		const statuses: Record<number, number> = {};
		for (let round = 0; round < Number(values.rounds); round++) {
			const resting = startHonest(stack);
			await sleep(LEAST_MS);
			add(rest, await resting.stop());
			const honest = startHonest(stack);
			const [answered] = await Promise.all([
				play(attack, stack),
				sleep(LEAST_MS),
			]);
			add(attacked, await honest.stop());
			for (const [status, count] of Object.entries(answered))
				statuses[Number(status)] = (statuses[Number(status)] ?? 0) + count;
		}
		const ratio = (kind: "hits" | "misses") =>
			`${p99(rest[kind]).toFixed(1)} → ${p99(attacked[kind]).toFixed(1)} (×${(p99(attacked[kind]) / p99(rest[kind])).toFixed(2)})`;
		table.push({
			attack: attack.name,
			"hits: p99 in ms": ratio("hits"),
			"misses: p99 in ms": ratio("misses"),
			"honest requests":
				rest.hits.length +
				attacked.hits.length +
				rest.misses.length +
				attacked.misses.length,
			"of them not 200": rest.failed + attacked.failed,
			"answers to the attacker": JSON.stringify(statuses),
		});
		console.log(table.at(-1));
	}
	console.table(table);
} finally {
	await stack.stop();
}
