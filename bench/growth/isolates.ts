// What isolates ask of the change feed's one object, and that of the origin. Each is a Worker of its own in one workerd process, which is
// an isolate of its own, and is read all the time. The object is in another process: the isolates' calls go there over HTTP.
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { RELAY } from "../../test/histories/faults/feed-relay.ts";
import { openLoop } from "../contenders/open-loop.ts";
import { spentBetween, threadTimes } from "../cost/cpu.ts";
import { askedOf, untilHit } from "../cost/hits.ts";
import { type Setting, startObject, startWhole } from "../cost/postern.ts";

/** Of each isolate. Its view is as old as it may be within 2.5 s. */
const READS_PER_SECOND = 2;
const SECONDS = 8;

export async function feedOfIsolates(setting: Setting, most: number) {
	const { stack, bundle, hits, cleanup } = setting;
	const object = await startObject(bundle, stack, cleanup);
	const morePorts: number[] = [];
	while (morePorts.length < most - 1) morePorts.push(await freePort());
	const first = await startWhole(bundle, stack, cleanup, {
		morePorts,
		companions: [
			{
				...{ name: "relay", source: RELAY },
				servers: { OBJECT: new URL(object.url).host },
			},
		],
		objectsIn: "relay",
	});
	const [hit] = hits;
	if (hit === undefined) throw new Error("There is nothing to read.");
	const isolates = [
		first.url,
		...morePorts.map((port) => `http://${LOOPBACK}:${port}`),
	].map((url) => askedOf(hit, { url }, 0));
	for (const asked of isolates) await untilHit(() => asked);
	const times = () =>
		[threadTimes(object.pids), threadTimes(stack.originPids)] as const;
	return async (count: number) => {
		const [before, originBefore] = times();
		await openLoop(READS_PER_SECOND * count, SECONDS, (number) => {
			const asked = isolates[number % count];
			if (asked === undefined) throw new Error("There is no such isolate.");
			return asked;
		});
		const [after, originAfter] = times();
		const perSecond = (microseconds: number) => microseconds / 1_000 / SECONDS;
		return {
			"the change feed's object": perSecond(spentBetween(before, after)),
			"PostgREST and Postgres, for its polls": perSecond(
				spentBetween(originBefore, originAfter),
			),
		};
	};
}
