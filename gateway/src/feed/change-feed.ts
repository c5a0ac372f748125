// The Durable Object that follows the database's changes for all isolates: the follower, with the runtime's storage, clock and
// alarm. There is one such object. It never sees what a client asks for or is answered.
import { DurableObject } from "cloudflare:workers";
import { createOrigin } from "../origin/origin.ts";
import { createSign } from "../origin/sign.ts";
import type { Pipeline } from "../pipeline.ts";
import type { PosternEnv } from "../settings/environment.ts";
import { parseFeedSettings } from "../settings/feed-settings.ts";
import type { CatalogAnswer, Feed, SyncAnswer, SyncRequest } from "./feed.ts";
import { createFeedStore } from "./feed-store.ts";
import { createFollower, type Follower } from "./follower.ts";
import { createTracking } from "./tracking.ts";

export class ChangeFeed extends DurableObject<PosternEnv> implements Feed {
	readonly #follower: Follower;

	constructor(context: DurableObjectState, env: PosternEnv) {
		super(context, env);
		const { storage } = context;
		const settings = parseFeedSettings(env);
		const fetch = (request: Request) =>
			(env.ORIGIN ?? globalThis).fetch(request);
		const origin: Pipeline = createOrigin(
			settings.origin,
			createSign(settings.origin, Date.now),
			fetch,
			"",
		);
		this.#follower = createFollower({
			tracking: createTracking(origin, settings),
			store: createFeedStore(storage),
			now: Date.now,
			sleep: (ms) => scheduler.wait(ms),
			wakeIn: (ms) => {
				storage.setAlarm(Date.now() + ms).catch(report);
			},
			log: report,
		});
	}

	sync(request: SyncRequest): Promise<SyncAnswer> {
		return this.#follower.sync(request);
	}

	catalog(): Promise<CatalogAnswer> {
		return this.#follower.catalog();
	}

	/** Never fails, so the runtime does not repeat it. This tick or the next request schedules the next one. */
	override alarm(): Promise<void> {
		return this.#follower.tick();
	}
}

function report(error: unknown): void {
	console.error(error);
}
