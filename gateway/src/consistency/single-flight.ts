// Lets one request of an isolate do a piece of work while others wait for its outcome. They look for the outcome and never
// await its promise: a promise ends with its request, and a client that goes away ends both without running a `finally`.

export interface SingleFlight {
	/**
	 * Does `work`, unless another request is doing it: then waits until `look` finds something, or that request has ended.
	 * In the latter case the result is undefined, and the caller may try again or do without.
	 * @param signal of the request that does the work. When it aborts, waiting for the work ends.
	 */
	run<Value>(
		name: string,
		look: () => Value | undefined,
		work: () => Promise<Value | undefined>,
		signal?: AbortSignal,
	): Promise<Value | undefined>;
	isUnderWay(name: string): boolean;
}

interface SingleFlightDeps {
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
	/** Work that takes longer is not waited for: its request may have been cancelled. */
	limitMs: number;
	/** Beyond this many flights at once, further ones are not waited for. */
	maxFlights: number;
}

interface Flight {
	readonly endsAt: number;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 25;

/** Pauses between two looks at what another request does: short ones first, so that quick work is seen soon. */
export function growingPauses(
	sleep: (ms: number) => Promise<void>,
): () => Promise<void> {
	let next = FIRST_PAUSE_MS;
	return () => {
		const ms = next;
		next = Math.min(2 * ms, LONGEST_PAUSE_MS);
		return sleep(ms);
	};
}

export function createSingleFlight(deps: SingleFlightDeps): SingleFlight {
	const { now, sleep, limitMs, maxFlights } = deps;
	// In the order in which they end.
	const flights = new Map<string, Flight>();

	return {
		async run(name, look, work, signal) {
			const flight = current(name);
			if (flight === undefined) return fly(name, work, signal);
			const pause = growingPauses(sleep);
			while (current(name) === flight) {
				await pause();
				const value = look();
				if (value !== undefined) return value;
			}
			return undefined;
		},
		isUnderWay: (name) => current(name) !== undefined,
	};

	function current(name: string): Flight | undefined {
		const flight = flights.get(name);
		return flight !== undefined && now() < flight.endsAt ? flight : undefined;
	}

	async function fly<Value>(
		name: string,
		work: () => Promise<Value>,
		signal: AbortSignal | undefined,
	): Promise<Value> {
		const flight = { endsAt: now() + limitMs };
		flights.delete(name);
		forgetEnded();
		if (flights.size < maxFlights) flights.set(name, flight);
		const end = () => {
			// After the limit another request may have begun the same work.
			if (flights.get(name) === flight) flights.delete(name);
		};
		signal?.addEventListener("abort", end);
		try {
			return await work();
		} finally {
			end();
		}
	}

	function forgetEnded(): void {
		for (const [name, { endsAt }] of flights) {
			if (now() < endsAt) return;
			flights.delete(name);
		}
	}
}
