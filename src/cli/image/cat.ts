// cat: the bytes of a file in an image.
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { printBytes, printJson } from "../terminal/output.ts";
import { isDirectory } from "./mode.ts";
import { placeOf, withImage } from "./open.ts";

export const catCommand = command({
  name: "cat",
  summary: "write a file in an image to stdout, byte for byte",
  takes: "IMAGE:/path",
  positionals: { min: 1, max: 1 },
  options: {},
  examples: [
    ["disk.img:/etc/motd", "print a file"],
    ["disk.img:/data | sha256sum", "its bytes as they are: holes and unwritten extents read as zeros"],
  ],
  json: "{ path, size, base64 }",
  async run({ values, positionals }) {
    const place = placeOf(positionals[0] ?? "");
    const bytes = await withImage(place, (sys) => {
      const { mode, size } = sys.stat(place.path);
      if (isDirectory(mode)) throw new Refusal(`${place.image}:${place.path}: is a directory; ls lists it`);
      const fd = sys.open(place.path, "r");
      return sys.pread(fd, size, 0);
    });
    if (values.json) {
      printJson({ path: place.path, size: bytes.length, base64: Buffer.from(bytes).toString("base64") });
    } else {
      await printBytes(bytes);
    }
    return Exit.nothingFound;
  },
});
