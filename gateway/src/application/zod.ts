// `postern/zod`: zod, for an application's routes, whose schemas describe themselves by `openapi`. Imported as
// `import * as z from "postern/zod"`, it leaves out of the Worker what the routes do not use.
import { extendZodWithOpenApi } from "@asteasolutions/zod-to-openapi";
import { ZodType } from "zod";

// Nothing else of zod is looked at there; the whole of it would be in every Worker.
extendZodWithOpenApi({ ZodType } as Parameters<typeof extendZodWithOpenApi>[0]);

export * from "zod";
