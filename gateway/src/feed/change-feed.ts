// The Durable Object that follows the database's changes for all isolates: the follower, with the runtime's storage, clock and
// alarm. There is one such object. Objects of this class with the name of a relay pass on what it says, and have no alarm.
// None of them sees what a client asks for or is answered.
import { DurableObject } from "cloudflare:workers";
import { sleep } from "../consistency/sleep.ts";
import { createOrigin } from "../origin/origin.ts";
import { createSign } from "../origin/sign.ts";
import type { Pipeline } from "../pipeline.ts";
import type { PosternEnv } from "../settings/environment.ts";
import {
	type FeedSettings,
	parseFeedSettings,
} from "../settings/feed-settings.ts";
import type { CatalogAnswer, Feed, SyncAnswer, SyncRequest } from "./feed.ts";
import { createFeedStore } from "./feed-store.ts";
import { createFollower, type Follower } from "./follower.ts";
import { createRelay } from "./relay.ts";
import { createTracking } from "./tracking.ts";

/** The name of the object that polls. */
const FEED_NAME = "feed";
const RELAY = "relay ";

/** What isolates of a data centre ask: the one object, or the relay of the data centre. */
export function feedFor(
	namespace: NonNullable<PosternEnv["CHANGE_FEED"]>,
	{ hasFeedRelays, feedLocation }: FeedSettings,
	dataCentre: unknown,
): Feed {
	return hasFeedRelays
		? feedOf(namespace, relayName(dataCentre))
		: feedOf(namespace, FEED_NAME, feedLocation);
}

export class ChangeFeed extends DurableObject<PosternEnv> implements Feed {
	readonly #feed: Feed;
	#tick = async () => {};

	constructor(context: DurableObjectState, env: PosternEnv) {
		super(context, env);
		const settings = parseFeedSettings(env);
		if (context.id.name?.startsWith(RELAY) && env.CHANGE_FEED !== undefined) {
			const object = feedOf(env.CHANGE_FEED, FEED_NAME, settings.feedLocation);
			this.#feed = createRelay({ feed: object, now: Date.now, sleep });
			return;
		}
		const follower = follow(context.storage, env, settings);
		this.#feed = follower;
		this.#tick = follower.tick;
	}

	sync(request: SyncRequest): Promise<SyncAnswer> {
		return this.#feed.sync(request);
	}

	catalog(): Promise<CatalogAnswer> {
		return this.#feed.catalog();
	}

	/** Never fails, so the runtime does not repeat it. This tick or the next request schedules the next one. */
	override alarm(): Promise<void> {
		return this.#tick();
	}
}

/** @param dataCentre unknown outside Cloudflare: there is one relay then */
function relayName(dataCentre: unknown): string {
	return `${RELAY}${typeof dataCentre === "string" ? dataCentre : "anywhere"}`;
}

/** An object of the class ChangeFeed. A stub belongs to one request, so each call has its own. */
function feedOf(
	namespace: NonNullable<PosternEnv["CHANGE_FEED"]>,
	name: string,
	locationHint?: DurableObjectLocationHint,
): Feed {
	// Over RPC the stub is what the object is, though the stub's type has no tuples.
	const object = () =>
		namespace.getByName(
			name,
			locationHint ? { locationHint } : {},
		) as unknown as Feed;
	return {
		sync: (request) => object().sync(request),
		catalog: () => object().catalog(),
	};
}

function follow(
	storage: DurableObjectStorage,
	env: PosternEnv,
	settings: FeedSettings,
): Follower {
	const fetch = (request: Request) => (env.ORIGIN ?? globalThis).fetch(request);
	const origin: Pipeline = createOrigin(
		settings.origin,
		createSign(settings.origin, Date.now),
		fetch,
		"",
	);
	return createFollower({
		tracking: createTracking(origin, settings),
		store: createFeedStore(storage),
		now: Date.now,
		sleep,
		wakeIn: (ms) => {
			storage.setAlarm(Date.now() + ms).catch(report);
		},
		log: report,
	});
}

function report(error: unknown): void {
	console.error(error);
}
