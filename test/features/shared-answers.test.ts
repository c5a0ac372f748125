// Equal reads that no cache answers, while the origin is slow: few of them reach PostgREST, and all are answered.
import { onTestFinished, test } from "vitest";
import { startFaultyStack } from "../faults/origin.ts";
import { requestsIn } from "../fuzz/wire.ts";
import { NO_LIMITS } from "../fuzz/world.ts";
import { stack } from "../support/client.ts";

const READS = 200;
const PATH = "/rest/v1/todos?select=name,creator";
const USERS = [1, 2].map((id) => `5eed0000-0000-4000-8000-00000000000${id}`);

test("equal reads that wait at a slow origin share an answer, and other callers' do not", async ({
	expect,
}) => {
	const chunks = new Map<number, Buffer[]>();
	const faulty = await startFaultyStack({
		bundle: stack.bundle,
		variables: { RATE_LIMITS: NO_LIMITS },
		tap(connection, chunk) {
			const before = chunks.get(connection) ?? [];
			chunks.set(connection, [...before, chunk]);
		},
	});
	onTestFinished(() => faulty.stop());
	const tokens = await Promise.all(USERS.map((user) => faulty.token(user)));
	for (const user of USERS)
		await faulty.query(
			"insert into api.todos (name, creator) values ('Rest', $1)",
			[user],
		);
	// What is not tracked is not cached.
	await faulty.query("select postern.untrack('api.todos')");
	await faulty.network.fail({ kind: "delay", ms: 1_000 });
	chunks.clear();
	const creators = await Promise.all(
		tokens.flatMap((token) =>
			Array.from({ length: READS }, async () => {
				const headers = { Authorization: `Bearer ${token}` };
				const answer = await fetch(faulty.gatewayUrl + PATH, { headers });
				return answer.text();
			}),
		),
	);
	expect(creators).toEqual(
		USERS.flatMap((creator) =>
			Array.from({ length: READS }, () =>
				JSON.stringify([{ name: "Rest", creator }]),
			),
		),
	);
	const arrived = [...chunks.values()]
		.flatMap((list) => requestsIn(Buffer.concat(list)).requests)
		.filter(({ start }) => start.includes("/todos?"));
	expect(arrived.length).toBeLessThan(20);
});
