/**
 * Waits some milliseconds.
 * @param work ends the timer with it, where that is sooner; the promise is then never fulfilled. A timer that runs on holds its request, and
 * everything that hangs on it, in memory.
 */
export type Sleep = (ms: number, work?: Promise<unknown>) => Promise<void>;

export const sleep: Sleep = (ms, work) => {
	const { promise, resolve } = Promise.withResolvers<void>();
	const timer = setTimeout(resolve, ms);
	const end = () => clearTimeout(timer);
	work?.then(end, end);
	return promise;
};
