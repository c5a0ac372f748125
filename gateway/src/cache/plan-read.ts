// Plans a read by a catalog that is current as of a view, with a view no older than the plan allows.
import { consistencyTokensIn } from "../consistency/consistency-token.ts";
import type { Freshness } from "../consistency/freshness.ts";
import type { OwnWrites } from "../consistency/own-writes.ts";
import type { View } from "../consistency/view.ts";
import { timed, timedNow } from "../observe/observation.ts";
import { type PipelineRequest, pathIn } from "../pipeline.ts";
import type { Catalog } from "../planner/catalog.ts";
import type { BypassPlan, CacheablePlan, Plan } from "../planner/plan.ts";
import type { Planner } from "../planner/planner.ts";
import type { ArrivedRead } from "./arrived-read.ts";
import { BoundedMap } from "./bounded-map.ts";
import { allowedAgeMs } from "./directives.ts";

/** A plan with the view that it holds for. */
export type PlannedRead =
	| {
			readonly plan: BypassPlan;
			readonly view?: never;
			/** The reason tells about the schema: its policies, and tables and functions that are not exposed. */
			readonly isForOperators: boolean;
	  }
	| {
			readonly plan: CacheablePlan;
			readonly view: View;
			/** The oldest answer that the plan and the request allow. */
			readonly maxAgeMs: number;
	  };

/** Reasons that are logged once each. */
const MAX_LOGGED = 1_000;

interface PlanReadDeps {
	planner: Planner;
	freshness: Freshness;
	ownWrites: OwnWrites;
	maxStalenessMs: number;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

export function createPlanRead(deps: PlanReadDeps) {
	const { planner, freshness, ownWrites } = deps;
	const logged = new BoundedMap<true>(MAX_LOGGED);

	return { mayWrite, planRead };

	/** Whether PostgREST may run the request in a transaction that can write. Any call by POST may, as long as there is no catalog. */
	function mayWrite(request: PipelineRequest): boolean {
		try {
			const catalog = freshness.lastCatalog();
			if (catalog === undefined && isCall(request)) keepUp();
			return planner.mayWrite(catalog, request);
		} catch (error) {
			// PostgREST decides what a malformed request is.
			deps.log(error);
			return true;
		}
	}

	async function planRead(arrived: ArrivedRead): Promise<PlannedRead> {
		const { identity, request, directives } = arrived;
		const sent = consistencyTokensIn(request.headers);
		const consistencyTokens = ownWrites.tokensFor(identity, sent);
		let catalog = freshness.lastCatalog();
		let plan = catalog && planBy(catalog, arrived);
		if (plan?.kind === "bypass") {
			// A bypass is right by any catalog. A newer one may make it unnecessary for later requests.
			keepUp();
			return bypassBy(plan);
		}
		let maxStalenessMs = plan?.maxStalenessMs ?? deps.maxStalenessMs;
		// A second round where the catalog was not known and allows less than was assumed.
		for (let round = 0; round < 2; round++) {
			const maxAgeMs = allowedAgeMs(directives, maxStalenessMs);
			const { view, current } = await timed("view", async () => {
				const view = await freshness.view({ maxAgeMs, consistencyTokens });
				if (view !== undefined) ownWrites.areShown(identity, consistencyTokens);
				return { view, current: view && (await freshness.catalog(view)) };
			});
			if (view === undefined || current === undefined)
				return bypass(freshness.reason ?? "no view");
			if (plan === undefined || current !== catalog)
				plan = planBy(current, arrived);
			if (plan.kind === "bypass") return bypassBy(plan);
			if (plan.maxStalenessMs >= maxStalenessMs)
				return { plan, view, maxAgeMs };
			catalog = current;
			maxStalenessMs = plan.maxStalenessMs;
		}
		return bypass("the schema is changing");
	}

	/** The first request that a reason of the schema concerns tells the operator, who can mend it. */
	function bypassBy(plan: BypassPlan): PlannedRead {
		const { reason, isOfSchema } = plan;
		if (isOfSchema && logged.get(reason) === undefined) {
			logged.set(reason, true);
			deps.log(`Not cached: ${reason}`);
		}
		return { plan, isForOperators: true };
	}

	function planBy(
		catalog: Catalog,
		{ request, identity, callArguments }: ArrivedRead,
	): Plan {
		try {
			return timedNow("plan", () =>
				planner.plan(catalog, request, identity, callArguments),
			);
		} catch (error) {
			deps.log(error);
			return { kind: "bypass", reason: "there is no plan for it" };
		}
	}

	/** Loads the catalog in the background where it is not known or no longer current. */
	function keepUp(): void {
		const needs = { maxAgeMs: deps.maxStalenessMs, consistencyTokens: [] };
		const known = freshness.knownView(needs);
		if (known !== undefined && freshness.knownCatalog(known) !== undefined)
			return;
		const loading = freshness
			.view(needs)
			.then((view) => view && freshness.catalog(view));
		deps.waitUntil(loading);
	}
}

function isCall({ method, url }: PipelineRequest): boolean {
	return method === "POST" && pathIn(url).startsWith("/rpc/");
}

function bypass(reason: string): PlannedRead {
	return { plan: { kind: "bypass", reason }, isForOperators: false };
}
