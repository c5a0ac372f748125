// Plans a read by a catalog that is current as of a view, with a view no older than the plan allows.
import { consistencyTokensIn } from "../consistency/consistency-token.ts";
import type { Freshness } from "../consistency/freshness.ts";
import type { View } from "../consistency/view.ts";
import type { Identity } from "../identity/identity.ts";
import type { Catalog } from "../planner/catalog.ts";
import type { BypassPlan, CacheablePlan, Plan } from "../planner/plan.ts";
import type { Planner } from "../planner/planner.ts";
import { allowedAgeMs, type Directives } from "./directives.ts";

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

interface PlanReadDeps {
	planner: Planner;
	freshness: Freshness;
	maxStalenessMs: number;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

type PlanRead = (
	request: Request,
	identity: Identity,
	directives: Directives,
) => Promise<PlannedRead>;

export function createPlanRead(deps: PlanReadDeps): PlanRead {
	const { planner, freshness } = deps;

	return async function planRead(request, identity, directives) {
		const consistencyTokens = consistencyTokensIn(request.headers);
		let catalog = freshness.lastCatalog();
		let plan = catalog && planBy(catalog, request, identity);
		if (plan?.kind === "bypass") {
			// A bypass is right by any catalog. A newer one may make it unnecessary for later requests.
			deps.waitUntil(keepUp());
			return { plan, isForOperators: true };
		}
		let maxStalenessMs = plan?.maxStalenessMs ?? deps.maxStalenessMs;
		// A second round where the catalog was not known and allows less than was assumed.
		for (let round = 0; round < 2; round++) {
			const maxAgeMs = allowedAgeMs(directives, maxStalenessMs);
			const view = await freshness.view({ maxAgeMs, consistencyTokens });
			const current = view && (await freshness.catalog(view));
			if (view === undefined || current === undefined)
				return bypass(freshness.reason ?? "no view");
			if (plan === undefined || current !== catalog)
				plan = planBy(current, request, identity);
			if (plan.kind === "bypass") return { plan, isForOperators: true };
			if (plan.maxStalenessMs >= maxStalenessMs)
				return { plan, view, maxAgeMs };
			catalog = current;
			maxStalenessMs = plan.maxStalenessMs;
		}
		return bypass("the schema is changing");
	};

	function planBy(
		catalog: Catalog,
		request: Request,
		identity: Identity,
	): Plan {
		try {
			return planner.plan(catalog, request, identity);
		} catch (error) {
			deps.log(error);
			return { kind: "bypass", reason: "there is no plan for it" };
		}
	}

	async function keepUp(): Promise<void> {
		const view = await freshness.view({
			maxAgeMs: deps.maxStalenessMs,
			consistencyTokens: [],
		});
		if (view !== undefined) await freshness.catalog(view);
	}
}

function bypass(reason: string): PlannedRead {
	return { plan: { kind: "bypass", reason }, isForOperators: false };
}
