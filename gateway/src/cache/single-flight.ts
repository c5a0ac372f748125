// Lets one request of an isolate at a time do a piece of work while others wait. They look for its outcome themselves and never
// await its promise, which ends with its request: a client that goes away takes both along, without a `finally`.

export interface SingleFlight {
	/**
	 * Does `work` if nobody is at it. Else waits until `look` finds something, or the turn is over: then the value is
	 * undefined, and the caller may try again or go on alone.
	 * @param signal of the request that does the work: when it is aborted, nobody waits for it any longer
	 */
	run<Value>(
		name: string,
		look: () => Value | undefined,
		work: () => Promise<Value | undefined>,
		signal?: AbortSignal,
	): Promise<{ value: Value | undefined; waited: boolean }>;
	/** Whether somebody is at it. */
	isUnderWay(name: string): boolean;
}

interface SingleFlightDeps {
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
	/** Whoever has not finished by then is taken for gone. */
	limitMs: number;
	/** Of more turns than this at once, the further ones are not waited for. */
	maxFlights: number;
}

interface Turn {
	readonly endsAt: number;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 25;

export function createSingleFlight(deps: SingleFlightDeps): SingleFlight {
	const { now, sleep, limitMs, maxFlights } = deps;
	// In the order in which they end.
	const flights = new Map<string, Turn>();

	return {
		async run(name, look, work, signal) {
			const turn = current(name);
			if (turn === undefined)
				return { value: await own(name, work, signal), waited: false };
			let pause = FIRST_PAUSE_MS;
			while (current(name) === turn) {
				await sleep(pause);
				pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
				const value = look();
				if (value !== undefined) return { value, waited: true };
			}
			return { value: undefined, waited: true };
		},
		isUnderWay: (name) => current(name) !== undefined,
	};

	function current(name: string): Turn | undefined {
		const turn = flights.get(name);
		return turn !== undefined && now() < turn.endsAt ? turn : undefined;
	}

	async function own<Value>(
		name: string,
		work: () => Promise<Value>,
		signal: AbortSignal | undefined,
	): Promise<Value> {
		const turn = { endsAt: now() + limitMs };
		flights.delete(name);
		forgetEnded();
		if (flights.size < maxFlights) flights.set(name, turn);
		const end = () => {
			// After its end the turn may be somebody else's.
			if (flights.get(name) === turn) flights.delete(name);
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
