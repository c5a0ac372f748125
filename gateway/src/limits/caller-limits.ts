// The Durable Object that counts exactly for one caller or one address, whose name it does not know: it is named by a hash. Counts
// outlive the object, and are deleted when their windows have ended.
import { DurableObject } from "cloudflare:workers";
import type { CallerCounts } from "./caller-counts.ts";
import {
	type CountedWindow,
	countIn,
	type Quota,
	type Standing,
} from "./window-counts.ts";

export class CallerLimits extends DurableObject implements CallerCounts {
	// Nothing is awaited between reading a window and writing it: no other request comes between.
	async take(name: string, quota: Quota): Promise<Standing> {
		const { kv } = this.ctx.storage;
		const { window, standing } = countIn(
			kv.get<CountedWindow>(name),
			quota,
			Date.now(),
		);
		if (!standing.isAllowed) return standing;
		kv.put(name, window);
		// The first of a window.
		if (window.used === 1) await this.#deleteAt(window.until);
		return standing;
	}

	async giveBack(name: string): Promise<void> {
		const { kv } = this.ctx.storage;
		const window = kv.get<CountedWindow>(name);
		if (window !== undefined && window.used > 0)
			kv.put(name, { ...window, used: window.used - 1 });
	}

	override async alarm(): Promise<void> {
		const { storage } = this.ctx;
		const windows = [...storage.kv.list<CountedWindow>()];
		const last = Math.max(0, ...windows.map(([, { until }]) => until));
		if (last > Date.now()) await storage.setAlarm(last);
		else await storage.deleteAll();
	}

	async #deleteAt(until: number): Promise<void> {
		const { storage } = this.ctx;
		if ((await storage.getAlarm()) === null) await storage.setAlarm(until);
	}
}
