import { Dialog } from "@/ui/Dialog";

export default function JobsDrawer({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog kind="drawer" open onOpenChange={onClose} title="Jobs">
      …
    </Dialog>
  );
}
