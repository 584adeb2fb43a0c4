// All commands of the shell, by name.

import { shellCommands } from "./about.ts";
import { attributeCommands } from "./attributes.ts";
import { copyRangeCommand } from "./copy.ts";
import { preadCommand, pwriteCommand } from "./data.ts";
import { extentCommands } from "./extents.ts";
import { fileCommands } from "./files.ts";
import { hintCommands } from "./hints.ts";
import { mappingCommands } from "./mappings.ts";
import type { ShellCommand } from "../shell.ts";
import { spaceCommands, syncCommands } from "./space.ts";

export const commands: readonly ShellCommand[] = [
  preadCommand,
  pwriteCommand,
  copyRangeCommand,
  ...attributeCommands,
  ...extentCommands,
  ...fileCommands,
  ...hintCommands,
  ...mappingCommands,
  ...spaceCommands,
  ...syncCommands,
  ...shellCommands(() => commands),
].toSorted((a, b) => (a.name < b.name ? -1 : 1));
