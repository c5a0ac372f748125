// The Durable Object that counts exactly for one caller or one address, whose name it does not know: it is named by a hash. It counts in
// memory, and stores the counts once a second: an answer waits for no disk, and a restart forgets a second's counts at most. They are
// deleted when their windows have ended.
import { DurableObject } from "cloudflare:workers";
import type { CallerCounts, Taken } from "./caller-counts.ts";
import {
	type CountedWindow,
	countIn,
	oneLess,
	type Quota,
} from "./window-counts.ts";

const STORES_AFTER_MS = 1_000;

export class CallerLimits extends DurableObject implements CallerCounts {
	readonly #windows = new Map<string, CountedWindow>();
	/** Names of windows that are not stored as they are. */
	readonly #unstored = new Set<string>();

	// Nothing is awaited between reading a window and writing it: no other request comes between.
	async take(name: string, quota: Quota, wantsShare = false): Promise<Taken> {
		const before = this.#at(name);
		const { window, standing, share } = countIn(
			before,
			quota,
			Date.now(),
			wantsShare,
		);
		if (standing.isAllowed) this.#put(name, window);
		return { ...standing, share };
	}

	async giveBack(name: string, quota: Quota, agoMs: number): Promise<void> {
		const before = this.#at(name);
		const window = oneLess(before, quota, Date.now() - agoMs);
		if (window !== undefined && window !== before) this.#put(name, window);
	}

	override async alarm(): Promise<void> {
		const { storage } = this.ctx;
		const last = lastEndOf(storage.kv.list<CountedWindow>());
		if (last > Date.now()) await storage.setAlarm(last);
		else await storage.deleteAll();
	}

	#at(name: string): CountedWindow | undefined {
		return this.#windows.get(name) ?? this.ctx.storage.kv.get(name);
	}

	#put(name: string, window: CountedWindow): void {
		this.#windows.set(name, window);
		if (this.#unstored.size === 0)
			setTimeout(() => this.#store(), STORES_AFTER_MS);
		this.#unstored.add(name);
	}

	async #store(): Promise<void> {
		const { storage } = this.ctx;
		for (const name of this.#unstored)
			storage.kv.put(name, this.#windows.get(name));
		this.#unstored.clear();
		if ((await storage.getAlarm()) === null)
			await storage.setAlarm(lastEndOf(this.#windows));
	}
}

function lastEndOf(windows: Iterable<[string, CountedWindow]>): number {
	return Math.max(0, ...[...windows].map(([, { until }]) => until));
}
