import { isEnded, useJobs } from "@/api/jobs";
import { useTexts } from "@/i18n";
import { Dialog } from "@/ui/Dialog";
import { EmptyState, ErrorState } from "@/ui/states";
import { JobCard } from "./JobCard";
import { texts } from "./texts";

/** All jobs beside the page: those that go on first, then the newest. */
export default function JobsDrawer({ onClose }: { readonly onClose: () => void }) {
  const t = useTexts(texts);
  const { data, error, refetch } = useJobs();
  const jobs = [...(data ?? [])].sort((a, b) => Number(isEnded(a)) - Number(isEnded(b)));
  return (
    <Dialog kind="drawer" open onOpenChange={onClose} title={t.title}>
      {error !== null && data === undefined && <ErrorState error={error} onRetry={() => void refetch()} />}
      {data?.length === 0 && <EmptyState text={t.none} />}
      {jobs.map((job) => (
        <JobCard key={job.id} job={job} />
      ))}
    </Dialog>
  );
}
