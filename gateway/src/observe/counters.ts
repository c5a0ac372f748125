// Counts an isolate's requests: how their answers came about, and what they were refused with. Every label has a bounded set of values, so
// that no client makes the counters grow. Tells them in Prometheus' text form, and writes what was added to Analytics Engine.
import type { CountedRequest } from "./request-line.ts";

/** The part of Analytics Engine's binding that is used. */
export type Dataset = Pick<AnalyticsEngineDataset, "writeDataPoint">;

interface CountersDeps {
	dataset: Dataset | undefined;
	/** The clock, in milliseconds. */
	now: () => number;
	log: (error: unknown) => void;
}

export interface Counters {
	/** Counts a request that took the full path. */
	count(request: CountedRequest): void;
	/** Counts an answer of the fast path. */
	countHit(): void;
	/** https://prometheus.io/docs/instrumenting/exposition_formats */
	inText(): string;
}

interface Series {
	/** `cache`, `reason`, `status`, `refusal`. */
	readonly labels: readonly [string, string, string, string];
	count: number;
	seconds: number;
	writtenCount: number;
	writtenSeconds: number;
}

/** How often one isolate writes, and after how many hits it looks at the clock for it. */
const WRITE_MS = 10_000;
const HITS_BETWEEN_LOOKS = 256;
/** One invocation of a Worker may write 250 data points. What is left is written the next time. */
const MAX_POINTS = 100;

const NAMES = ["cache", "reason", "status", "refusal"] as const;

export function createCounters(deps: CountersDeps): Counters {
	const { dataset, now, log } = deps;
	const series = new Map<string, Series>();
	const hits = seriesOf("memory", "", "fast", "");
	let writtenAt = now();

	return {
		count({ cache, reason = "", status, refusal = "", ms }) {
			// The status is a label of its own.
			const why = reason.startsWith("the status is ") ? "status" : reason;
			const counted = seriesOf(cache, why, classOf(status), refusal);
			counted.count += 1;
			counted.seconds += ms / 1_000;
			writeIfDue();
		},
		countHit() {
			hits.count += 1;
			if (hits.count % HITS_BETWEEN_LOOKS === 0) writeIfDue();
		},
		inText() {
			const all = [...series.values()];
			return [
				"# HELP postern_requests_total Requests by how their answer came about. status=fast: answers of the fast path.",
				"# TYPE postern_requests_total counter",
				...all.map(
					(one) => `postern_requests_total${inBraces(one)} ${one.count}`,
				),
				"# HELP postern_request_seconds_total Seconds until the heads of their answers. The fast path is not timed.",
				"# TYPE postern_request_seconds_total counter",
				...all.map(
					(one) =>
						`postern_request_seconds_total${inBraces(one)} ${one.seconds.toFixed(4)}`,
				),
				"",
			].join("\n");
		},
	};

	function seriesOf(...labels: Series["labels"]): Series {
		const key = labels.join("\n");
		const known = series.get(key);
		if (known !== undefined) return known;
		const made = {
			...{ labels, count: 0, seconds: 0 },
			...{ writtenCount: 0, writtenSeconds: 0 },
		};
		series.set(key, made);
		return made;
	}

	function writeIfDue(): void {
		if (dataset === undefined || now() - writtenAt < WRITE_MS) return;
		writtenAt = now();
		const changed = [...series.values()].filter(
			({ count, writtenCount }) => count > writtenCount,
		);
		try {
			for (const one of changed.slice(0, MAX_POINTS)) write(dataset, one);
		} catch (error) {
			log(error);
		}
	}
}

/** What was added since the last time. The index is what Analytics Engine samples by. */
function write(dataset: Dataset, one: Series): void {
	const { labels, count, seconds } = one;
	dataset.writeDataPoint({
		indexes: [labels[0]],
		blobs: [...labels],
		doubles: [count - one.writtenCount, seconds - one.writtenSeconds],
	});
	one.writtenCount = count;
	one.writtenSeconds = seconds;
}

function inBraces({ labels }: Series): string {
	return `{${labels.map((value, index) => `${NAMES[index]}="${value}"`).join()}}`;
}

function classOf(status: number): string {
	return `${Math.floor(status / 100)}xx`;
}
