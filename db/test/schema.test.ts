// db/schema.sql is the dump of the migrated database.

import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { testDatabase } from "../../gateway/test/sql/support/session.ts";
import { dumpSchema, normalise, SCHEMA_FILE } from "./support/dump.ts";

const dump = await dumpSchema(testDatabase.ownerUrl);
const unavailable = "unavailable" in dump ? dump.unavailable : undefined;
if (unavailable) {
	console.warn(`schema.sql is not compared: ${unavailable}`);
}

it("db/schema.sql is the dump of a migrated database", async (test) => {
	test.skip(unavailable !== undefined, unavailable);
	// After a change of the migrations: npm run schema.
	expect(dump).toEqual({ schema: await readFile(SCHEMA_FILE, "utf8") });
});

describe("a normalised dump", () => {
	const by15 = `--
-- PostgreSQL database dump
--

\\restrict jC1

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET row_security = off;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: counts; Type: VIEW; Schema: api; Owner: postgres
--

CREATE VIEW api.counts AS
 SELECT notes.title,
    count(*) AS count
   FROM api.notes
  GROUP BY notes.title;


ALTER TABLE api.counts OWNER TO postgres;

ALTER DEFAULT PRIVILEGES FOR ROLE postgres REVOKE ALL ON FUNCTIONS  FROM PUBLIC;


--
-- PostgreSQL database dump complete
--

\\unrestrict jC1
`;

	const by18 = `--
-- PostgreSQL database dump
--

\\restrict Wx2

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.6

SET transaction_timeout = 0;
SET row_security = off;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: counts; Type: VIEW; Schema: api; Owner: -
--

CREATE VIEW api.counts AS
 SELECT title,
    count(*) AS count
   FROM api.notes
  GROUP BY title;


ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;


--
-- PostgreSQL database dump complete
--

\\unrestrict Wx2
`;

	it("does not depend on versions and owners", () => {
		expect(normalise(by15)).toBe(normalise(by18));
	});

	it("keeps every object that was created", () => {
		expect(normalise(by18)).toBe(`CREATE VIEW api.counts AS
 SELECT title,
    count(*) AS count
   FROM api.notes
  GROUP BY title;

ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;
`);
	});

	it("leaves out the triggers of the gateway's programs", () => {
		expect(
			normalise(`CREATE TRIGGER postern_insert AFTER INSERT ON api.notes
    FOR EACH STATEMENT EXECUTE FUNCTION postern.log('api.notes');

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.notes FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();
`),
		).toBe(
			"CREATE TRIGGER touch_updated_at BEFORE UPDATE ON api.notes FOR EACH ROW EXECUTE FUNCTION private.touch_updated_at();\n",
		);
	});

	it("keeps the columns of a view over two tables apart", () => {
		const view = `CREATE VIEW api.pairs AS
 SELECT one.id,
    other.id AS other_id
   FROM (api.one
     JOIN api.other ON ((other.id = one.id)));
`;
		expect(normalise(view)).toBe(view);
	});
});
