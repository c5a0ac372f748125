// Header values beyond Latin-1, which workerd decodes as UTF-8 and Node's Headers refuse.
import { expect, it } from "vitest";
import { PIPELINE_URL } from "../../src/pipeline.ts";
import { createPlanner } from "../../src/planner/planner.ts";
import { cinema } from "../support/catalog.ts";

const planner = createPlanner({
	schemas: ["api"],
	maxStalenessMs: 5_000,
	audienceOf: () => "postgrest",
});

// PostgREST reads the blank as a part of the word.
it.each(["\u00a0", "\ufeff", "\u3000", "\u2028", "\v"])(
	"a preference that begins with the blank %j is not known to be harmless",
	(blank) => {
		const request = new Request(`${PIPELINE_URL}/films`, {
			headers: { Prefer: `return=minimal,${blank}count=exact` },
		});
		expect(
			planner.plan(cinema, request, { role: "anon", claims: {} }),
		).toMatchObject({
			kind: "bypass",
			reason: `the preference "${blank}count=exact" is not known to be harmless`,
		});
	},
);
