// One address that floods the gateway, in a process of its own: `node attacker.ts '{"attack":0,"gatewayUrl":…,"token":…,"rate":…,"count":…}'`
// Begins when its input ends. Prints as JSON how many answers had which status.
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

export interface Orders {
	/** Index in ATTACKS. */
	readonly attack: number;
	readonly gatewayUrl: string;
	/** Of the caller that the attacker is signed in as. */
	readonly token: string;
	/** The address that the account at which passwords are guessed is known by. */
	readonly account: string;
	/** Requests a second, sent whether or not the ones before were answered. */
	readonly rate: number;
	readonly count: number;
}

interface Attack {
	readonly name: string;
	readonly count: number;
	request(
		number: number,
		known: Pick<Orders, "token" | "account">,
	): { path: string; init: RequestInit };
}

export const ATTACKS: readonly Attack[] = [
	{
		name: "10,000 unknown keys",
		count: 10_000,
		request: (number) => ({
			path: "/rest/v1/products?limit=1",
			init: {
				headers: {
					apikey: `postern_secret_${String(number).padStart(43, "0")}`,
				},
			},
		}),
	},
	{
		name: "200 guesses at one account",
		count: 200,
		request: (number, { account }) => ({
			path: "/auth/v1/token?grant_type=password",
			init: {
				method: "POST",
				headers: { "Content-Type": "application/json" },
				body: JSON.stringify({
					email: account,
					password: `guess ${number}`,
				}),
			},
		}),
	},
	{
		name: "10,000 misses of one caller",
		count: 10_000,
		request: (number, { token }) => ({
			path: `/rest/v1/products?select=id&id=lt.${number}`,
			init: { headers: { Authorization: `Bearer ${token}` } },
		}),
	},
];

const TICK_MS = 20;

if (import.meta.main) {
	const orders: Orders = JSON.parse(process.argv[2] ?? "");
	await text(process.stdin);
	console.log(JSON.stringify(await play(orders)));
}

async function play(orders: Orders) {
	const { attack, gatewayUrl, rate, count } = orders;
	const statuses: Record<number, number> = {};
	// Another round asks other questions.
	const first = Math.floor(Math.random() * 1e9);
	const send = async (number: number) => {
		const { path, init } = ATTACKS[attack]?.request(number, orders) ?? {};
		const headers = new Headers(init?.headers);
		headers.set("CF-Connecting-IP", "198.51.100.1");
		const answer = await fetch(gatewayUrl + path, { ...init, headers });
		await answer.arrayBuffer();
		statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
	};
	const sent: Promise<void>[] = [];
	const startedAt = performance.now();
	while (sent.length < count) {
		const elapsedMs = performance.now() - startedAt;
		const due = Math.min(count, (elapsedMs / 1_000) * rate);
		while (sent.length < due) sent.push(send(first + sent.length));
		await sleep(TICK_MS);
	}
	await Promise.all(sent);
	return statuses;
}
