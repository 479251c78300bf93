import { FolderInput, Upload } from "lucide-react";
import { type DragEvent, useState } from "react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, body } from "@/api/client";
import { JOBS } from "@/api/jobs";
import { defineTexts, useTexts } from "@/i18n";
import { Button } from "@/ui/Button";
import { Dialog } from "@/ui/Dialog";
import { FileButton } from "@/ui/FileButton";
import { showToast } from "@/ui/toasts";
import styles from "./AddVideos.module.css";
import { asRequest, mayBeVideo, type Sampling, type SamplerName, USUAL } from "./sampling";
import { startUploads } from "./uploads";

const texts = defineTexts(
  {
    drop: "Drop videos here",
    or: "or",
    choose: "Choose files",
    byPath: "Add by path",
    byPathTitle: "Add a video that is on the machine that runs Komadori",
    path: "Path of the file",
    pathExample: "/data/recording.mp4",
    stays: "The file stays where it is and is only read.",
    add: "Add",
    noVideo: (name: string) => `${name} is no video.`,
    noVideoHint: "Add files such as MP4, MOV, MKV, WebM or AVI.",
    take: "Take",
    every: "one frame every … seconds",
    fps: "… frames a second",
    keyframes: "keyframes only",
    all_frames: "every frame",
    seconds: "Seconds from one frame to the next",
    perSecond: "Frames a second",
    skip: "leave out near-duplicates",
  },
  {
    drop: "ここに動画をドロップ",
    or: "または",
    choose: "ファイルを選択",
    byPath: "パスで追加",
    byPathTitle: "Komadori が動いているマシン上の動画を追加",
    path: "ファイルのパス",
    pathExample: "/data/recording.mp4",
    stays: "ファイルは移動されず、読み取るだけです。",
    add: "追加",
    noVideo: (name: string) => `${name} は動画ではありません。`,
    noVideoHint: "MP4、MOV、MKV、WebM、AVI などを追加してください。",
    take: "抽出方法",
    every: "…秒ごとに 1 フレーム",
    fps: "毎秒…フレーム",
    keyframes: "キーフレームのみ",
    all_frames: "全フレーム",
    seconds: "フレーム間の秒数",
    perSecond: "毎秒のフレーム数",
    skip: "ほぼ同じフレームを除く",
  },
);

const SAMPLERS: readonly SamplerName[] = ["every", "fps", "keyframes", "all_frames"];

/** Where videos come in: dropped, chosen, or named by their path. */
export function AddVideos({ project }: { readonly project: string }) {
  const t = useTexts(texts);
  const client = useQueryClient();
  const [sampling, setSampling] = useState(USUAL);
  const [isOver, setIsOver] = useState(false);
  const [isNaming, setIsNaming] = useState(false);
  const add = (files: readonly File[]) => {
    for (const { name } of files.filter((file) => !mayBeVideo(file))) {
      showToast({ kind: "error", text: t.noVideo(name), hint: t.noVideoHint });
    }
    startUploads(files.filter(mayBeVideo), project, sampling, () => void client.invalidateQueries({ queryKey: JOBS }));
  };
  const over = (event: DragEvent) => {
    event.preventDefault();
    setIsOver(true);
  };
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- a place to drop files; the button does the same by key
    <section
      className={[styles["zone"], isOver ? styles["over"] : ""].join(" ")}
      aria-label={t.drop}
      onDragOver={over}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setIsOver(false);
        add([...event.dataTransfer.files]);
      }}
    >
      <div className={styles["ways"]}>
        <Upload aria-hidden className={styles["icon"]} />
        <span>{t.drop}</span>
        <span className={styles["or"]}>{t.or}</span>
        <FileButton label={t.choose} multiple onFiles={add} />
        <Button icon={<FolderInput />} onClick={() => setIsNaming(true)}>
          {t.byPath}
        </Button>
      </div>
      <SamplingChoice sampling={sampling} onChange={setSampling} />
      {isNaming && <PathDialog project={project} sampling={sampling} onClose={() => setIsNaming(false)} />}
    </section>
  );
}

function SamplingChoice({ sampling, onChange }: { readonly sampling: Sampling; readonly onChange: (sampling: Sampling) => void }) {
  const t = useTexts(texts);
  const hasAmount = sampling.sampler === "every" || sampling.sampler === "fps";
  return (
    <div className={styles["sampling"]}>
      <label>
        {t.take}{" "}
        <select value={sampling.sampler} onChange={(event) => onChange({ ...sampling, sampler: event.target.value as SamplerName })}>
          {SAMPLERS.map((name) => (
            <option key={name} value={name}>
              {t[name]}
            </option>
          ))}
        </select>
      </label>
      {hasAmount && (
        <input
          type="number"
          aria-label={sampling.sampler === "every" ? t.seconds : t.perSecond}
          min={0.001}
          step="any"
          defaultValue={sampling.amount}
          onChange={({ target: { valueAsNumber } }) => valueAsNumber > 0 && onChange({ ...sampling, amount: valueAsNumber })}
        />
      )}
      <label className={styles["skip"]}>
        <input
          type="checkbox"
          checked={sampling.skipNearDuplicates}
          onChange={(event) => onChange({ ...sampling, skipNearDuplicates: event.target.checked })}
        />
        {t.skip}
      </label>
    </div>
  );
}

function PathDialog({ project, sampling, onClose }: { readonly project: string; readonly sampling: Sampling; readonly onClose: () => void }) {
  const t = useTexts(texts);
  const client = useQueryClient();
  const [path, setPath] = useState("");
  const add = useMutation({
    mutationFn: () => body(api.POST("/api/v1/videos", { body: { path: path.trim(), project, ...asRequest(sampling) } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: JOBS });
      onClose();
    },
  });
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={t.byPathTitle}
      footer={
        <Button look="primary" type="submit" form="path-form" disabled={path.trim() === "" || add.isPending}>
          {t.add}
        </Button>
      }
    >
      <form
        id="path-form"
        className={styles["path"]}
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <label>
          {t.path}
          <input value={path} placeholder={t.pathExample} spellCheck={false} onChange={(event) => setPath(event.target.value)} />
        </label>
        <p>{t.stays}</p>
      </form>
    </Dialog>
  );
}
