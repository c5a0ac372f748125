/**
 * Gives the names of a map, the oldest first. Each has to be deleted before the next is asked for; what is added again is the newest.
 * It keeps one iterator. A new one for each name would first pass the places of all deleted names, which a map seldom gives back.
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
