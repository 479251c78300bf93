import { useMemo, useState } from "react";
import { Link, useLocation } from "wouter";
import { NO_FRAMES } from "@/api/frames";
import { Problem } from "@/api/problem";
import { useClasses } from "@/api/projects";
import { useVideos } from "@/api/videos";
import { keepFrames } from "@/app/frameSets";
import { useProject, withProject } from "@/app/project";
import { defineTexts, useTexts } from "@/i18n";
import { EmptyState, ErrorState } from "@/ui/states";
import { PlayerDialog } from "@/video/PlayerDialog";
import { frameTable, type FrameTable, useFrameTable, useSearch } from "./api";
import styles from "./ExplorePage.module.css";
import { Filters } from "./Filters";
import { FrameDialog } from "./FrameDialog";
import { Grid } from "./Grid";
import { SearchBox } from "./SearchBox";
import { NOTHING, useSelection } from "./selection";
import { SelectionBar } from "./SelectionBar";
import { type Shown, shownFrames } from "./shown";
import { useExploreState } from "./state";
import { Timelines } from "./Timeline";
import { isSearch } from "./urlState";
import { Verdict } from "./Verdict";

const texts = defineTexts(
  {
    title: "Explore",
    empty: "There are no frames yet. Add a video first.",
    library: "To the library",
    noneLeft: "No frame passes these filters.",
    pictureIsGone: "The picture is not in this tab any more. Paste it again.",
  },
  {
    title: "探索",
    empty: "フレームがまだありません。まず動画を追加してください。",
    library: "ライブラリへ",
    noneLeft: "条件に合うフレームはありません。",
    pictureIsGone: "この画像は保持されていません。もう一度貼り付けてください。",
  },
);

const NOTHING_YET = frameTable(NO_FRAMES);

/** Find frames by words, by a picture, or by looking. */
export default function ExplorePage() {
  const t = useTexts(texts);
  const project = useProject();
  const [, navigate] = useLocation();
  const [state, change] = useExploreState();
  const [selection, select] = useSelection(project);
  const [active, setActive] = useState<string | null>(state.frame);
  const frames = useFrameTable(project, state);
  const videos = useVideos(project).data ?? [];
  const classes = useClasses(project).data ?? [];
  const table = frames.data ?? NOTHING_YET;
  const search = useSearch(project, state, table.ids.length === 0);
  const found = isSearch(state) && !search.isError ? search.data : undefined;
  // A page that opens with a search shows nothing before its hits: frames would move under the pointer.
  const [beganWithSearch] = useState(isSearch(state));
  const isWaiting = beganWithSearch && search.isLoading && search.data === undefined;
  const shown = useMemo(() => shownFrames(table, found, state), [table, found, state]);

  const annotate = (ids: readonly string[], frame: string | undefined) => {
    const set = ids.length > 1 ? `set=${keepFrames(ids)}&` : "";
    navigate(withProject(`/annotate?${set}frame=${frame ?? ids[0] ?? ""}`, project));
  };
  const similar = (id: string) => change({ like: id, q: "", img: null, frame: null, sort: "score" });
  const isFiltered = state.video !== null || state.label !== null || state.status !== null || state.undecided;
  return (
    <div className={styles["page"]}>
      <h1 className="visually-hidden">{t.title}</h1>
      <div className={styles["head"]}>
        <SearchBox state={state} change={change} />
        <Filters state={state} change={change} videos={videos} classes={classes} />
      </div>
      <div className={styles["verdict"]}>
        <Verdict shown={shown} found={found} nFrames={table.ids.length} isSearching={search.isFetching} state={state} change={change} />
      </div>
      <Content
        t={t}
        error={frames.error ?? (isSearch(state) ? search.error : null)}
        retry={() => void (frames.isError ? frames.refetch() : search.refetch())}
        isLoaded={frames.data !== undefined && !isWaiting}
        isEmpty={shown.ids.length === 0}
        isFiltered={isFiltered || isSearch(state)}
        library={withProject("/", project)}
      >
        <Grid
          table={table}
          shown={shown}
          selection={selection}
          onSelection={select}
          active={active}
          onActive={setActive}
          onOpen={(id) => change({ frame: id })}
          onSimilar={similar}
        />
      </Content>
      {selection.ids.size > 0 && (
        <SelectionBar
          n={selection.ids.size}
          onAnnotate={() => annotate(inOrder(selection.ids, shown), undefined)}
          onSimilar={selection.ids.size === 1 ? () => similar([...selection.ids][0] ?? "") : null}
          onClear={() => select(NOTHING)}
        />
      )}
      {table.ids.length > 0 && (
        <Timelines
          videos={videos}
          table={table}
          shown={shown}
          range={state.video !== null && state.from !== null && state.to !== null ? { video: state.video, from: state.from, to: state.to } : null}
          onPlay={(id) => change({ play: id })}
          onRange={(video, from, to) => change({ video, from: Math.round(from * 1000) / 1000, to: Math.round(to * 1000) / 1000 })}
        />
      )}
      <Opened
        table={table}
        shown={shown}
        videos={videos}
        frame={state.frame}
        play={state.play}
        onChange={(changes, step) => {
          if (changes.frame != null) setActive(changes.frame);
          change(changes, step);
        }}
        onSimilar={similar}
        onAnnotate={(id) => annotate([id], id)}
      />
    </div>
  );
}

interface ContentProps {
  readonly t: (typeof texts)["en"];
  readonly error: Error | null;
  readonly retry: () => void;
  readonly isLoaded: boolean;
  readonly isEmpty: boolean;
  readonly isFiltered: boolean;
  readonly library: string;
  readonly children: React.ReactNode;
}

function Content({ t, error, retry, isLoaded, isEmpty, isFiltered, library, children }: ContentProps) {
  if (error instanceof Problem && error.code === "picture-is-gone") return <EmptyState text={t.pictureIsGone} />;
  if (error !== null) return <ErrorState error={error} onRetry={retry} />;
  if (!isLoaded) return <div className={styles["rest"]} />;
  if (isEmpty && isFiltered) return <EmptyState text={t.noneLeft} />;
  if (isEmpty) {
    return (
      <EmptyState text={t.empty}>
        <Link href={library}>{t.library}</Link>
      </EmptyState>
    );
  }
  return children;
}

interface OpenedProps {
  readonly table: FrameTable;
  readonly shown: Shown;
  readonly videos: React.ComponentProps<typeof Timelines>["videos"];
  readonly frame: string | null;
  readonly play: string | null;
  readonly onChange: (changes: { frame?: string | null; play?: string | null }, step?: "push" | "replace") => void;
  readonly onSimilar: (id: string) => void;
  readonly onAnnotate: (id: string) => void;
}

/** The frame, or the video, that is open over the page. */
function Opened({ table, shown, videos, frame, play, onChange, onSimilar, onAnnotate }: OpenedProps) {
  const playRow = play === null ? undefined : table.rowOf.get(play);
  const playVideoId = playRow === undefined ? undefined : table.videoIds[playRow];
  const stored = useMemo(() => {
    const byIndex = new Map<number, string>();
    table.videoIds.forEach((videoId, row) => {
      if (videoId === playVideoId) byIndex.set(table.indices[row] ?? 0, table.ids[row] ?? "");
    });
    return byIndex;
  }, [table, playVideoId]);
  const playVideo = videos.find((video) => video.id === playVideoId);
  if (playVideo !== undefined && playRow !== undefined) {
    return (
      <PlayerDialog
        video={playVideo}
        start={table.indices[playRow] ?? 0}
        stored={stored}
        onClose={() => onChange({ play: null })}
        onOpen={(id) => onChange({ play: null, frame: id })}
        onAnnotate={onAnnotate}
      />
    );
  }
  const row = frame === null ? undefined : table.rowOf.get(frame);
  if (frame === null || row === undefined) return null;
  return (
    <FrameDialog
      id={frame}
      ids={shown.ids}
      table={table}
      video={videos.find((video) => video.id === table.videoIds[row])}
      hit={shown.hits.get(frame)}
      onClose={() => onChange({ frame: null })}
      onMove={(id) => onChange({ frame: id }, "replace")}
      onSimilar={onSimilar}
      onPlay={(id) => onChange({ frame: null, play: id })}
      onAnnotate={onAnnotate}
    />
  );
}

/** Selected frames in the order in which they are shown; those that are not shown come last. */
function inOrder(ids: ReadonlySet<string>, shown: Shown): string[] {
  const seen = shown.ids.filter((id) => ids.has(id));
  const isSeen = new Set(seen);
  return [...seen, ...[...ids].filter((id) => !isSeen.has(id))];
}
