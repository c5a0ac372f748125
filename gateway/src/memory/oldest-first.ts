/**
 * Gives the names of a map, the oldest first. Each has to be deleted before the next is asked for; what is added again is the newest.
 * Of one iterator: a new one for each name would pass the places of all that were deleted before it, which a map gives back rarely.
 */
export function oldestFirst(map: ReadonlyMap<string, unknown>): () => string {
	let names = map.keys();
	return function oldest() {
		const { value, done } = names.next();
		if (!done) return value;
		names = map.keys();
		return oldest();
	};
}
