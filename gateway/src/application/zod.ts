// `postern/zod`: `zod/mini`, the zod that the gateway itself uses, for the schemas of an application's routes. Imported as
// `import * as z from "postern/zod"`, it leaves out of the Worker what the routes do not use.
export * from "zod/mini";
