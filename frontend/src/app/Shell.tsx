import { CircleHelp, Database, ListChecks, Search, Settings as SettingsIcon, SquareDashedMousePointer, Video } from "lucide-react";
import { type ReactNode, lazy, Suspense, useState } from "react";
import { Link, useLocation } from "wouter";
import { useConnection } from "@/api/events";
import { isEnded, useJobs } from "@/api/jobs";
import { useProjects } from "@/api/projects";
import { defineTexts, useTexts } from "@/i18n";
import { useKeys } from "@/keys/useKeys";
import { Button } from "@/ui/Button";
import { ErrorBoundary } from "./ErrorBoundary";
import { useProject, withProject } from "./project";
import styles from "./Shell.module.css";

const JobsDrawer = lazy(() => import("@/jobs/JobsDrawer"));
const SettingsDialog = lazy(() => import("./SettingsDialog"));
const KeyHelp = lazy(() => import("@/keys/KeyHelp"));

const texts = defineTexts(
  {
    library: "Library",
    explore: "Explore",
    annotate: "Annotate",
    datasets: "Datasets",
    jobs: "Jobs",
    nRunning: (n: number) => `${n} running`,
    settings: "Settings",
    help: "Keys",
    offline: "Komadori does not answer. This page goes on by itself when it is back.",
    pages: "Pages",
    project: "Project",
    newProject: "New project …",
    projectName: "Name of the new project",
  },
  {
    library: "ライブラリ",
    explore: "探索",
    annotate: "アノテーション",
    datasets: "データセット",
    jobs: "ジョブ",
    nRunning: (n: number) => `${n} 件実行中`,
    settings: "設定",
    help: "キー",
    offline: "Komadori が応答しません。復帰すると自動的に続行します。",
    pages: "ページ",
    project: "プロジェクト",
    newProject: "新規プロジェクト…",
    projectName: "新規プロジェクトの名前",
  },
);

const PAGES = [
  { id: "library", path: "/", Icon: Video },
  { id: "explore", path: "/explore", Icon: Search },
  { id: "annotate", path: "/annotate", Icon: SquareDashedMousePointer },
  { id: "datasets", path: "/datasets", Icon: Database },
] as const;

type Panel = "jobs" | "settings" | "help" | null;

/** The bar at the top, and what can be opened from every page. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const t = useTexts(texts);
  const [path, navigate] = useLocation();
  const project = useProject();
  const [panel, setPanel] = useState<Panel>(null);
  const toggle = (which: Panel) => setPanel((current) => (current === which ? null : which));
  const nRunning = (useJobs().data ?? []).filter((job) => !isEnded(job)).length;
  const go = (to: string) => () => navigate(withProject(to, project));
  useKeys("any", {
    help: () => toggle("help"),
    jobs: () => toggle("jobs"),
    library: go("/"),
    explore: go("/explore"),
    annotate: go("/annotate"),
    datasets: go("/datasets"),
  });
  return (
    <div className={styles["shell"]}>
      <header className={styles["bar"]}>
        <Link href={withProject("/", project)} className={styles["name"] ?? ""}>
          <img src="/icon.svg" alt="" width={24} height={24} />
          Komadori
        </Link>
        <nav aria-label={t.pages} className={styles["pages"]}>
          {PAGES.map(({ id, path: to, Icon }) => (
            <Link
              key={id}
              href={withProject(to, project)}
              className={styles["page"] ?? ""}
              title={t[id]}
              aria-current={path === to ? "page" : undefined}
            >
              <Icon aria-hidden />
              <span>{t[id]}</span>
            </Link>
          ))}
        </nav>
        <div className={styles["tools"]}>
          <ProjectChoice t={t} project={project} onChoose={(name) => navigate(withProject(path, name))} />
          <Button look="quiet" icon={<ListChecks />} aria-expanded={panel === "jobs"} onClick={() => toggle("jobs")}>
            {nRunning > 0 ? t.nRunning(nRunning) : t.jobs}
          </Button>
          <Button look="quiet" aria-label={t.help} icon={<CircleHelp />} onClick={() => toggle("help")} />
          <Button look="quiet" aria-label={t.settings} icon={<SettingsIcon />} onClick={() => toggle("settings")} />
        </div>
      </header>
      <Offline text={t.offline} />
      <main className={styles["main"]}>
        <ErrorBoundary page={path}>{children}</ErrorBoundary>
      </main>
      <Suspense>
        {panel === "jobs" && <JobsDrawer onClose={() => setPanel(null)} />}
        {panel === "settings" && <SettingsDialog onClose={() => setPanel(null)} />}
        {panel === "help" && <KeyHelp onClose={() => setPanel(null)} />}
      </Suspense>
    </div>
  );
}

interface ProjectChoiceProps {
  readonly t: (typeof texts)["en"];
  readonly project: string;
  readonly onChoose: (name: string) => void;
}

/** Which project is looked at; a new one comes to be with its first video. */
function ProjectChoice({ t, project, onChoose }: ProjectChoiceProps) {
  const names = useProjects().data ?? [];
  const all = names.includes(project) ? names : [project, ...names];
  const [isNaming, setIsNaming] = useState(false);
  if (isNaming) {
    return (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const name = new FormData(event.currentTarget).get("name");
          setIsNaming(false);
          if (typeof name === "string" && name.trim() !== "") onChoose(name.trim());
        }}
      >
        <input name="name" aria-label={t.projectName} placeholder={t.projectName} maxLength={200} className={styles["project"]} ref={focus} onBlur={() => setIsNaming(false)} />
      </form>
    );
  }
  return (
    <select
      aria-label={t.project}
      className={styles["project"]}
      value={project}
      onChange={({ target: { value } }) => (value === "" ? setIsNaming(true) : onChoose(value))}
    >
      {all.map((name) => (
        <option key={name}>{name}</option>
      ))}
      <option value="">{t.newProject}</option>
    </select>
  );
}

const focus = (element: HTMLElement | null) => element?.focus();

function Offline({ text }: { readonly text: string }) {
  const connection = useConnection();
  return (
    <output className={connection === "offline" ? styles["offline"] : "visually-hidden"}>
      {connection === "offline" ? text : ""}
    </output>
  );
}
