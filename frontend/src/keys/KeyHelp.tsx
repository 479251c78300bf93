import { Dialog } from "@/ui/Dialog";

export default function KeyHelp({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog kind="wide" open onOpenChange={onClose} title="Keys">
      …
    </Dialog>
  );
}
