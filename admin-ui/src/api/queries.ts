import { keepPreviousData, QueryClient, queryOptions } from "@tanstack/react-query";
import { api, data, versioned } from "./client.js";
import { RequestError } from "./problem.js";
import type { operations } from "./schema.js";

/** Every look at the server, with the key that it is kept under. Keys of an application begin with ["app", id]. */

export const queryClient = new QueryClient({
  defaultOptions: {
    // The browser's word for being offline is not asked: without a network there is still a server on the same machine, and
    // what can't be reached is to be said, not waited for.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      // Trying again helps where the server is away; a refusal stays one.
      retry: (failures, error) =>
        failures < 2 && error instanceof RequestError && (error.status === 0 || error.status >= 500),
      staleTime: 2000,
    },
  },
});

// What a refusal of one request says of the page around it: a login that has ended, an application that is gone. Middleware
// that is added last sees an answer first, before it is thrown as an error.
api.use({
  onResponse({ response: { status }, schemaPath, params }) {
    if (status === 401 && schemaPath !== "/info") {
      void queryClient.invalidateQueries({ queryKey: infoQuery.queryKey });
    }
    const id = params.path?.applicationId;
    if (status === 404 && id !== undefined && schemaPath !== "/application/{applicationId}") {
      void queryClient.invalidateQueries({ queryKey: ["app", id], exact: true });
    }
  },
});

const path = (applicationId: string) => ({ path: { applicationId } });

export const infoQuery = queryOptions({
  queryKey: ["info"],
  queryFn: () => data(api.GET("/info")),
  staleTime: Number.POSITIVE_INFINITY,
});

/** What a list of applications can be asked for. */
export interface ApplicationsWanted {
  search: string;
  sort: "name" | "created_at" | "id";
  order: "asc" | "desc";
  offset: number;
}

/** How many applications a page has. */
export const applicationsPage = 50;

export const applicationsQuery = ({ search, ...wanted }: ApplicationsWanted) =>
  queryOptions({
    queryKey: ["applications", search, wanted],
    queryFn: async () => {
      const query = { ...wanted, ...(search ? { search } : {}), limit: applicationsPage };
      const { data = [], response } = await api.GET("/applications", { params: { query } });
      return { applications: data, total: Number(response.headers.get("X-Total-Count")) };
    },
    placeholderData: keepPreviousData,
    refetchInterval: 5000,
  });

export const applicationQuery = (id: string) =>
  queryOptions({
    queryKey: ["app", id],
    queryFn: () => versioned(api.GET("/application/{applicationId}", { params: path(id) })),
    // Somebody else may change it, suspend it or delete it.
    refetchInterval: 10_000,
  });

export const settingsQuery = (id: string) =>
  queryOptions({
    queryKey: ["app", id, "settings"],
    queryFn: () => versioned(api.GET("/application/{applicationId}/settings", { params: path(id) })),
  });

export const keysQuery = (id: string) =>
  queryOptions({
    queryKey: ["app", id, "keys"],
    queryFn: () => data(api.GET("/application/{applicationId}/keys", { params: path(id) })),
  });

/** A key, and how much would end with it. It is not refreshed with the rest of the application: the key may just be gone. */
export const keyUseQuery = (applicationId: string, keyId: string) =>
  queryOptions({
    queryKey: ["key use", applicationId, keyId],
    queryFn: () =>
      data(api.GET("/application/{applicationId}/keys/{keyId}", { params: { path: { applicationId, keyId } } })),
    gcTime: 0,
  });

type Wanted<Operation extends keyof operations> = NonNullable<operations[Operation]["parameters"]["query"]>;

/** What a look at a stream is asked for. */
export type EntriesWanted = Wanted<"listEntries">;
export type ConnectionsWanted = Wanted<"listConnections">;

export const entriesPage = (id: string, query: EntriesWanted) =>
  data(api.GET("/application/{applicationId}/stream", { params: { ...path(id), query } }));

export const entryQuery = (applicationId: string, entryId: string) =>
  queryOptions({
    queryKey: ["app", applicationId, "entry", entryId],
    queryFn: () =>
      data(api.GET("/application/{applicationId}/stream/{entryId}", { params: { path: { applicationId, entryId } } })),
  });

export const connectionsPage = (id: string, query: ConnectionsWanted) =>
  data(api.GET("/application/{applicationId}/connections", { params: { ...path(id), query } }));

/** What changes are wanted of: who made them, and what they are about. */
export type ChangesWanted = Pick<Wanted<"listChanges">, "by" | "action">;

/** A page of changes, of one application or of all that the user may see. */
export const changesPage = (applicationId: string | null, wanted: ChangesWanted, before: number | null) => {
  const query = { ...wanted, limit: 100, ...(before === null ? {} : { before }) };
  return applicationId === null
    ? data(api.GET("/audit", { params: { query } }))
    : data(api.GET("/application/{applicationId}/audit", { params: { ...path(applicationId), query } }));
};

export const nodesQuery = queryOptions({
  queryKey: ["nodes"],
  queryFn: () => data(api.GET("/nodes")),
  refetchInterval: 5000,
});

export const configQuery = queryOptions({ queryKey: ["config"], queryFn: () => data(api.GET("/config")) });
