// npm run bench:attacks -- --rate 200
// How long honest callers wait while one address floods the gateway: with unknown keys, with guesses at one account, with misses. They
// are compared with honest callers of the same gateway while the same flood goes to an empty Worker beside it, since the flood's own
// client and its sockets take the machine's time, too. On Linux the database and PostgREST get one processor, with the attacker, and
// the Workers with the honest callers another, as they have machines of their own.
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startFaultyStack } from "../test/faults/origin.ts";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { ATTACKS, type Orders } from "./attacks/attacker.ts";
import type { Waits } from "./attacks/honest.ts";
import { startFloor } from "./cost/floor.ts";
import { percentile } from "./freshness/statistics.ts";

const { values } = parseArgs({
	options: {
		/** Requests of an attack in a second, sent whether or not the ones before were answered. */
		rate: { type: "string", default: "200" },
		/** How many times each attack is made, after a rest. */
		rounds: { type: "string", default: "3" },
		/** One of the attacks alone, by a part of its name. */
		only: { type: "string", default: "" },
	},
});
const rate = Number(values.rate);

/** As `postern init` writes it. */
const RATE_LIMITS =
	"requests=6000/1m, misses=100/10s, misses@address=500/10s, writes=50/10s, writes@address=250/10s";

/** Honest callers begin. */
function startHonest() {
	const file = join(import.meta.dirname, "attacks", "honest.ts");
	const honest = spawn(process.execPath, [file, stack.gatewayUrl], {
		stdio: ["pipe", "pipe", "inherit"],
	});
	moveTo("0", honest.pid);
	return {
		async stop(): Promise<Waits> {
			honest.stdin.end();
			return JSON.parse(await text(honest.stdout));
		},
	};
}

/** An attacker who waits for the word, since starting a process takes the machine's time. */
function prepare(orders: Orders) {
	const file = join(import.meta.dirname, "attacks", "attacker.ts");
	const attacker = spawn(process.execPath, [file, JSON.stringify(orders)], {
		stdio: ["pipe", "pipe", "inherit"],
	});
	moveTo("1", attacker.pid);
	return {
		/** @returns how many answers had which status */
		async play(): Promise<Record<string, number>> {
			attacker.stdin.end("go");
			return JSON.parse(await text(attacker.stdout));
		},
	};
}

const newWaits = (): Waits => ({ hits: [], misses: [], failed: 0 });

function add(waits: Waits, seen: Waits): void {
	waits.hits.push(...seen.hits);
	waits.misses.push(...seen.misses);
	waits.failed += seen.failed;
}

const p99 = (waits: readonly number[]) => percentile(waits, 0.99);

/** Has all threads of a process run on one processor. */
function moveTo(processor: string, pid: number | undefined): void {
	if (process.platform === "linux")
		execFileSync("taskset", ["-acp", processor, String(pid)]);
}

/** At least long enough for a p99 of the honest callers. */
const LEAST_MS = 15_000;
/** A process of Node has started by then. */
const STARTS_WITHIN_MS = 1_000;

// What is started inherits it.
moveTo("1", process.pid);
const stack = await startFaultyStack({
	bundle: await bundleWorker(),
	variables: { RATE_LIMITS },
});
const cleanup = [stack.stop];
try {
	moveTo("0", stack.isolate.running.pid);
	const token = await stack.token("00000000-0000-4000-8000-000000000001");
	const warming = startHonest();
	const floor = await startFloor([], stack.postgrestUrl);
	cleanup.push(floor.stop);
	moveTo("0", floor.pid);
	const orders = { gatewayUrl: stack.gatewayUrl, token, rate };
	// What an isolate does for the first time takes longer.
	for (const attack of ATTACKS.keys())
		await prepare({ ...orders, account: "", attack, count: 1 }).play();
	await sleep(5_000);
	await warming.stop();
	const table = [];
	for (const [attack, { name, count }] of ATTACKS.entries()) {
		if (!name.includes(values.only)) continue;
		const [beside, attacked] = [newWaits(), newWaits()];
		const statuses: Record<number, number> = {};
		for (let round = 0; round < Number(values.rounds); round++) {
			const account = await signUp();
			const order = { ...orders, account, attack, count };
			await watch(prepare({ ...order, gatewayUrl: floor.url }), beside);
			const answered = await watch(prepare(order), attacked);
			for (const [status, count] of Object.entries(answered))
				statuses[Number(status)] = (statuses[Number(status)] ?? 0) + count;
		}
		const ratio = (kind: "hits" | "misses") =>
			`${p99(beside[kind]).toFixed(1)} → ${p99(attacked[kind]).toFixed(1)} (×${(p99(attacked[kind]) / p99(beside[kind])).toFixed(2)})`;
		table.push({
			attack: name,
			"hits: p99 in ms": ratio("hits"),
			"misses: p99 in ms": ratio("misses"),
			"honest requests":
				beside.hits.length +
				attacked.hits.length +
				beside.misses.length +
				attacked.misses.length,
			"of them not 200": beside.failed + attacked.failed,
			"answers to the attacker": JSON.stringify(statuses),
		});
		console.log(table.at(-1));
	}
	console.table(table);
} finally {
	for (const end of cleanup.reverse()) await end();
}

/** @returns the address of a new account, at which nobody has guessed yet */
async function signUp(): Promise<string> {
	const email = `${crypto.randomUUID()}@example.com`;
	const answer = await fetch(`${stack.gatewayUrl}/auth/v1/signup`, {
		method: "POST",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ email, password: "a long password" }),
	});
	if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
	return email;
}

/** Honest callers' waits during an attack. @returns how many of its answers had which status */
async function watch(attacker: ReturnType<typeof prepare>, waits: Waits) {
	await sleep(STARTS_WITHIN_MS);
	const honest = startHonest();
	const [answered] = await Promise.all([attacker.play(), sleep(LEAST_MS)]);
	add(waits, await honest.stop());
	return answered;
}
