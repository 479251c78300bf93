import { CircleCheck, CircleDashed, CirclePause, CircleX, LoaderCircle, Pause, Play, RotateCcw, X } from "lucide-react";
import { useState } from "react";
import { useQuery } from "@tanstack/react-query";
import { api, body, type Job } from "@/api/client";
import { isEnded, share } from "@/api/jobs";
import { useFormats, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Progress } from "@/ui/Progress";
import { useJobAction } from "./actions";
import styles from "./JobCard.module.css";
import { texts, titleOf } from "./texts";

const ICONS = {
  queued: CircleDashed,
  running: LoaderCircle,
  paused: CirclePause,
  done: CircleCheck,
  failed: CircleX,
  cancelled: CircleX,
} as const;

const ISSUES_SHOWN = 20;

/** A job with its progress, and what can be done about it. */
export function JobCard({ job }: { readonly job: Job }) {
  const t = useTexts(texts);
  const { number, span, date } = useFormats();
  const action = useJobAction();
  const act = (name: "pause" | "resume" | "cancel" | "retry") => () => action.mutate({ id: job.id, action: name });
  const Icon = ICONS[job.state];
  const title = titleOf(job, t);
  const nMissing = job.skipped + job.failed;
  const facts = [
    job.is_cancel_requested && !isEnded(job) ? t.cancelling : t[job.state],
    job.total > 0 ? t.items(number(job.done + nMissing), number(job.total)) : null,
    job.skipped > 0 ? t.skipped(number(job.skipped)) : null,
    job.failed > 0 ? t.failedItems(number(job.failed)) : null,
    job.state === "running" && job.rate_per_s !== null ? t.rate(number(Math.round(job.rate_per_s * 10) / 10)) : null,
    job.seconds_left === null ? null : t.left(span(job.seconds_left)),
    job.finished_s === null ? null : date(job.finished_s),
  ];
  return (
    <article className={styles["card"]} aria-label={title}>
      <div className={styles["head"]}>
        <Icon aria-hidden className={[styles["icon"], styles[job.state]].join(" ")} />
        <h3 title={title}>{title}</h3>
        {(job.state === "running" || job.state === "queued") && (
          <Button look="quiet" aria-label={t.pause} icon={<Pause />} onClick={act("pause")} />
        )}
        {job.state === "paused" && <Button look="quiet" aria-label={t.resume} icon={<Play />} onClick={act("resume")} />}
        {!isEnded(job) && <Button look="quiet" aria-label={t.cancel} icon={<X />} disabled={job.is_cancel_requested} onClick={act("cancel")} />}
        {(job.state === "failed" || job.state === "cancelled" || job.skipped > 0) && isEnded(job) && (
          <Button look="quiet" aria-label={t.retry} icon={<RotateCcw />} onClick={act("retry")} />
        )}
      </div>
      {!isEnded(job) && <Progress value={share(job)} label={title} />}
      <p className={styles["facts"]}>{facts.filter((fact) => fact !== null).join(" · ")}</p>
      {job.error !== null && (
        <p className={styles["error"]} role="alert">
          {job.error}
        </p>
      )}
      {nMissing > 0 && <Issues jobId={job.id} n={nMissing} />}
    </article>
  );
}

function Issues({ jobId, n }: { readonly jobId: string; readonly n: number }) {
  const t = useTexts(texts);
  const { number } = useFormats();
  const [isOpen, setIsOpen] = useState(false);
  const issues = useQuery({
    queryKey: ["jobs", jobId, "issues", n],
    enabled: isOpen,
    queryFn: ({ signal }) =>
      body(api.GET("/api/v1/jobs/{job_id}/issues", { params: { path: { job_id: jobId }, query: { limit: ISSUES_SHOWN } }, signal })),
  });
  return (
    <details className={styles["issues"]} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>{t.issues}</summary>
      <ul>
        {issues.data?.items.map(({ item, reason }, i) => (
          <li key={i}>
            <strong>{item}</strong> {reason}
          </li>
        ))}
      </ul>
      {issues.data !== undefined && issues.data.total > ISSUES_SHOWN && <p>{t.more(number(issues.data.total - ISSUES_SHOWN))}</p>}
    </details>
  );
}
