import type { Versioned } from "./client.js";
import type { components, operations } from "./schema.gen.js";

type Schemas = components["schemas"];

/** What the admin API speaks of, as its OpenAPI document has it. */
export type Info = Schemas["Info"];
export type ListedApplication = Schemas["ListedApplication"];
export type Application = Versioned<Schemas["ApplicationDetail"]>;
export type Settings = Schemas["Settings"];
export type Key = Schemas["Key"];
export type NewKey = Schemas["NewKey"];
export type Numbers = Schemas["Numbers"];
export type Stream = Schemas["Stream"];
export type ApplicationSample = Schemas["ApplicationSample"];
export type ServiceSample = Schemas["ServiceSample"];
export type Latency = Schemas["Latency"];
export type Connection = Schemas["Connection"];
export type Entry = Schemas["Entry"];
export type Reach = Schemas["Reach"];
export type Verdict = Schemas["Verdict"];
export type Change = Schemas["Change"];
export type Node = Schemas["Node"];
export type Setting = Schemas["Setting"];
export type Problem = Schemas["Problem"];
export type { components, operations };
