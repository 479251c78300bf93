import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { Route, Switch } from "wouter";
import { events } from "@/api/events";
import { followJobs } from "@/api/jobs";
import { Problem } from "@/api/problem";
import { Toasts } from "@/ui/Toasts";
import { showToast } from "@/ui/toasts";
import { LibraryPage } from "@/library/LibraryPage";
import { Door } from "./Door";
import { NotFound } from "./NotFound";
import { Shell } from "./Shell";
import { useDocumentSettings } from "./theme";

const ExplorePage = lazy(() => import("@/explore/ExplorePage"));
const AnnotatePage = lazy(() => import("@/annotate/AnnotatePage"));
const DatasetsPage = lazy(() => import("@/datasets/DatasetsPage"));

const isPassing = (error: unknown) => error instanceof Problem && (error.isOffline || error.status === 503);

/** A change that failed is told in a toast, unless its mutation has `meta: { isSilent: true }`. */
const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof Problem && error.status === 401) void client.invalidateQueries({ queryKey: ["session"] });
    },
  }),
  mutationCache: new MutationCache({
    onError: (error, _variables, _context, mutation) => {
      if (mutation.meta?.["isSilent"] === true) return;
      const { detail, hint, isOffline } = error instanceof Problem ? error : { detail: error.message, hint: "", isOffline: false };
      showToast({ kind: "error", text: isOffline ? "Komadori does not answer." : detail, hint });
    },
  }),
  defaultOptions: {
    queries: { staleTime: 30_000, refetchOnWindowFocus: false, retry: (count, error) => isPassing(error) && count < 2 },
  },
});

export function App() {
  useDocumentSettings();
  return (
    <QueryClientProvider client={client}>
      <Door>
        <Live />
        <Shell>
          <Suspense>
            <Switch>
              <Route path="/" component={LibraryPage} />
              <Route path="/explore" component={ExplorePage} />
              <Route path="/annotate" component={AnnotatePage} />
              <Route path="/datasets" component={DatasetsPage} />
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </Shell>
      </Door>
      <Toasts />
    </QueryClientProvider>
  );
}

/** Keeps what is shown up to date. */
function Live() {
  useEffect(() => {
    const stopFollowing = followJobs(client);
    const stop = events.start(client);
    return () => {
      stop();
      stopFollowing();
    };
  }, []);
  return null;
}
