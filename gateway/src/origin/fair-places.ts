// The places of a bulkhead, shared out fairly among callers. A free place goes to a caller with the fewest of them, and never twice
// in a row to the same one while another waits. A caller that is alone may have all of them.
//
// Any request of the caller whose turn it is may take the place: if only one might, the place would be empty until that one looks.

interface FairPlacesDeps {
	/** How many places there are on one path. */
	limit: number;
	/** A place counts for this long at most: the runtime may have cancelled its request without a word. */
	timeoutMs: number;
	/** The clock, in milliseconds. */
	now: () => number;
}

/** While others are under way, a caller has this many times the places of one path, on all paths together. */
const PATHS_OF_A_CALLER = 2;

/** A request that waits looks more often than this. One that does not was cancelled without a word. */
const LOOKS_WITHIN_MS = 250;

interface Place {
	readonly path: string;
	readonly caller: string;
	readonly until: number;
}

/** What a caller has of one path. */
interface Turn {
	held: number;
	waiting: number;
	lookedAt: number;
}

interface Line {
	held: number;
	lastCaller: string | undefined;
	readonly turns: Map<string, Turn>;
}

/** One request's wait for a place. */
export interface Wait {
	/** Takes a place if it is the caller's turn. @returns gives the place back; undefined: look again */
	take(): (() => void) | undefined;
	/** The least pause before the next look, in milliseconds: all of one caller's together look about once in each. */
	leastPauseMs(): number;
	/** Has to be called when the wait is over, with a place or without. */
	end(): void;
}

export function createFairPlaces({ limit, timeoutMs, now }: FairPlacesDeps): {
	wait(path: string, caller: string): Wait;
} {
	// In the order in which they end.
	const places = new Set<Place>();
	const heldByCaller = new Map<string, number>();
	const lines = new Map<string, Line>();

	return {
		wait(path, caller) {
			const line = lines.get(path) ?? newLine();
			lines.set(path, line);
			const turn = line.turns.get(caller) ?? newTurn();
			line.turns.set(caller, turn);
			turn.waiting++;
			return {
				take() {
					turn.lookedAt = now();
					forgetEnded();
					return isTurnOf(line, caller, turn)
						? enter(path, caller, line, turn)
						: undefined;
				},
				leastPauseMs: () => turn.waiting,
				end() {
					turn.waiting--;
					tidy(path, caller, line, turn);
				},
			};
		},
	};

	function isTurnOf(line: Line, caller: string, turn: Turn): boolean {
		if (line.held >= limit) return false;
		const held = heldByCaller.get(caller) ?? 0;
		if (held >= PATHS_OF_A_CALLER * limit && places.size > held) return false;
		const isLast = line.lastCaller === caller;
		for (const other of line.turns.values()) {
			const isWaiting =
				other !== turn &&
				other.waiting > 0 &&
				now() - other.lookedAt < LOOKS_WITHIN_MS;
			if (!isWaiting) continue;
			if (other.held < turn.held || (isLast && other.held === turn.held))
				return false;
		}
		return true;
	}

	function enter(path: string, caller: string, line: Line, turn: Turn) {
		const place = { path, caller, until: now() + timeoutMs };
		places.add(place);
		heldByCaller.set(caller, (heldByCaller.get(caller) ?? 0) + 1);
		line.held++;
		line.lastCaller = caller;
		turn.held++;
		return () => leave(place);
	}

	function leave(place: Place): void {
		if (!places.delete(place)) return;
		const { path, caller } = place;
		const held = (heldByCaller.get(caller) ?? 1) - 1;
		if (held > 0) heldByCaller.set(caller, held);
		else heldByCaller.delete(caller);
		const line = lines.get(path);
		const turn = line?.turns.get(caller);
		if (line === undefined || turn === undefined) return;
		line.held--;
		turn.held--;
		tidy(path, caller, line, turn);
	}

	/** A turn that holds nothing and waits for nothing is dropped, and a line without turns. */
	function tidy(path: string, caller: string, line: Line, turn: Turn): void {
		if (turn.held > 0 || turn.waiting > 0) return;
		line.turns.delete(caller);
		if (line.turns.size === 0) lines.delete(path);
	}

	function forgetEnded(): void {
		for (const place of places) {
			if (now() < place.until) return;
			leave(place);
		}
	}
}

function newLine(): Line {
	return { held: 0, lastCaller: undefined, turns: new Map() };
}

function newTurn(): Turn {
	return { held: 0, waiting: 0, lookedAt: Number.NEGATIVE_INFINITY };
}
