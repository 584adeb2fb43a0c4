// What is asked of xfs_io and of `unwritten io` alike.  Files are named as files in an image are; for xfs_io a
// folder has the name `disk.img:`, so that both are given the very same words.
//
// Not asked, because xfs_io 6.1 is wrong there and `unwritten io` is not: an fzero that fails ends with 0; mread reads
// behind a mapping that does not begin at 0; -V writes more than it was told, and to the end of the session; -n of
// fiemap holds to the end of the session, too.

export interface Case {
  readonly name: string;
  /** The words of each run of the program, one after the other on the same files. */
  readonly runs: readonly (readonly string[])[];
  /** What the last run reads. */
  readonly input?: string;
}

const FILE = "disk.img:/file";

/** A run with these commands; a semicolon stands between two. */
function run(file: string, ...commands: string[]): string[] {
  return [...apart(commands).flatMap((one) => ["-c", one]), file];
}

function apart(commands: readonly string[]): string[] {
  return commands.flatMap((some) => some.split("; "));
}

/** The same, and the file is created. */
const make = (...commands: string[]): string[] => ["-f", ...run(FILE, ...commands)];

/** One run for each command: each has an exit code of its own. */
function each(...commands: string[]): string[][] {
  return [make("truncate 64k", "pwrite -q 0 32k"), ...apart(commands).map((one) => run(FILE, one))];
}

/** Random calls on blocks, the same for the same seed, each followed by a look at where data and holes are. */
function shuffled(seed: number): string[] {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % limit;
  };
  const range = (): string => `${below(60) * 4}k ${(1 + below(6)) * 4}k`;
  const calls = [
    () => `pwrite -q ${below(240_000)} ${1 + below(20_000)}; fsync`,
    () => `pwrite -q ${range()}; fsync`,
    () => `falloc ${below(2) === 0 ? "" : "-k "}${range()}`,
    () => `fpunch ${range()}`,
    () => `fzero ${below(2) === 0 ? "" : "-k "}${range()}`,
    () => `fcollapse ${range()}`,
    () => `finsert ${range()}`,
    () => `truncate ${below(300_000)}`,
  ];
  // fzero and fcollapse that fail are told apart by their exit codes, which xfs_io has wrong.
  return Array.from({ length: 60 }, () => `${(calls[below(calls.length)] as () => string)()}; seek -a -r 0`);
}

export const cases: readonly Case[] = [
  {
    name: "what is written is read",
    runs: [
      make("pwrite 0 4096; pread 0 20; pread -v 4090 100; stat; pwrite -S 0x61 100 5; pread -v 96 16"),
      run(FILE, "pread -q 0 10; pread -C 0 1k; pwrite -C 0 5k; r 0 1; w 0 1; pwrite -q 0 1"),
    ],
  },
  {
    name: "amounts are rounded as printf does",
    runs: [
      make("truncate 5m; pread 0 4608; pread 0 5632; pread 0 3000; pread 0 1023; pread 0 1024"),
      run(FILE, "pread -b 1m 0 1572864; pread -b 1m 0 2621440; pread -b 1m 0 5m; pread 1 1; pread 0 0"),
    ],
  },
  {
    name: "blocks, and the ways through a range",
    runs: [
      make("pwrite -b 1k 0 10k; pwrite -b 3000 100 9000; pwrite -O 0 9k; pwrite -b 0 0 10; pwrite 0 0"),
      run(FILE, "pwrite -B 8k 8k; pwrite -B 10k 10k; pread -B 8k 8k; pread -B 6k 3k; pwrite -B 10k 5k"),
      run(FILE, "pread -B x 4k; pread -F 0 x; pread 4k x; pread -b 1k 0 3k; pread -V 2 0 5k; pread 1m 1"),
    ],
  },
  {
    name: "random places are those of the C library",
    runs: [
      make(
        "pwrite -q -R -Z 7 -b 4k 0 256k; seek -a -r 0; pwrite -R -Z 1 -b 1k -S 0x41 0 64k",
        "seek -a -r 0",
      ),
      run(FILE, "pread -v 12k 4; pread -v 20k 4; pread -v 33k 4; pread -v 60k 4; pread -R -Z 3 0 8k"),
    ],
  },
  {
    name: "bytes from another file",
    runs: [
      ["-f", ...run("disk.img:/source", "pwrite -q -S 0x41 0 10; pwrite -q -S 0x42 10 10")],
      make("pwrite -i disk.img:/source 0 100; pread -v 0 100; pwrite -i disk.img:/source -s 8 -b 4 0 6"),
      run(FILE, "pread -v 0 24; pwrite -i disk.img:/absent 0 1; pwrite -i disk.img:/source -s 50 0 4"),
    ],
  },
  {
    name: "seeds of any base",
    runs: [
      make("pwrite -q -S 0x7f41 0 16; pwrite -q -S 0101 16 16; pwrite -q -S 65x 32 4; pread -v 0 36"),
      run(FILE, "pwrite -q -S -1 0 4; pread -v 0 4"),
    ],
  },
  {
    name: "sizes have units",
    runs: [
      make(
        "truncate 1m; pread 1b 1s; pread 0x1000 010; pread 1K 1; pread 0x10k 2; stat; truncate 2s",
        "stat",
      ),
    ],
  },
  {
    name: "words that make no sense to pwrite",
    runs: each(
      "pwrite; pwrite 0; pwrite x 0; pwrite 0 x; pwrite 0 1kb; pwrite 0 1 2; pwrite -z 0 1",
      "pwrite -S q 0 1; pwrite -S; pwrite 0 1 -S; pwrite -b x 0 1; pwrite -V x 0 1; pwrite -Z q 0 1",
      "pwrite -s 5 0 1; pwrite -d 0 1; pwrite -i disk.img:/file -B 0 4",
      "pwrite -s x -i disk.img:/file 0 1; pwrite -1 5; pwrite 8e 1; pwrite 20t 1; pwrite 7e 1",
      "pwrite 08 1; pwrite --x 0 1",
    ),
  },
  {
    name: "words that make no sense to pread",
    runs: each(
      "pread; pread 0; pread x 1; pread 0 1 2; pread -z 0 1; pread -b x 0 1; pread -V x 0 1",
      "pread -Z x 0 1; pread 20t 4k; pread 7e 1; pread 8e 1; pread -b",
    ),
  },
  {
    name: "words that make no sense to calls about space",
    runs: each(
      "truncate; truncate x; truncate 1 2; truncate -5; truncate 20t; falloc x 1; falloc 0 x",
      "falloc -z 0 1; falloc 0 0; falloc 0 20t; falloc 0; falloc 0 1 2; falloc -u 0 4k",
      "funshare 0 4k; fpunch x 1; fpunch 0 x; fpunch 0 0; fpunch 0; fzero 0; fcollapse 0 1",
      "fcollapse x 1; fcollapse 0; fcollapse 0 64k; fcollapse 0 1m; finsert 0 1; finsert 1m 4k",
      "finsert 20t 4k; fsync 1; fdatasync 1; sync 1; syncfs 1",
    ),
  },
  {
    name: "words that make no sense to the rest",
    runs: each(
      "foo; fiemap x; fiemap 0 x; fiemap -z; fiemap -n; seek; seek 0; seek 0 0; seek -d x",
      "seek -z 0; seek -d 8e; seek -d 7e; stat -z; stat x; open disk.img:/absent",
      "open disk.img:/file/x; open -z disk.img:/file; open disk.img:/file disk.img:/file",
      "open -m x disk.img:/file; file 5; file x; file -1; file 0 1; close 1; print 1; help foo",
      "help a b; extsize",
      "",
      "  ",
      "quit 3",
    ),
  },
  {
    name: "words that make no sense to mappings",
    runs: [
      ...each(
        "mmap; mmap 0; mmap -z 0 1; mmap 0 x; mmap x 0; mmap 1 4k; mmap 0 0; mread; munmap; mwrite",
        "msync",
      ),
      ...apart([
        "mread 0 4; mread 20k 1; mread x 1; mread 4k x; mread -z; mwrite 0 1; mwrite -z; mwrite 4k",
        "msync 0 1; msync 4097 1; msync -as; msync x 1; msync 4k; munmap 1; mmap 1; mmap -1; mmap x",
        "mmap 0",
      ]).map((one) => run(FILE, "mmap 4k 8k", one)),
    ],
  },
  {
    name: "space: reserved, punched, zeroed",
    runs: [
      make("falloc 0 64k; fiemap; fiemap -v; fiemap -l; pwrite -q 16k 8k; fsync; fiemap -v"),
      run(FILE, "fpunch 4k 4k; fiemap; fzero 32k 8k; fiemap -v; stat; falloc -k 64k 64k; stat"),
      run(FILE, "fiemap 8k 16k; fiemap -v 16k 8k; fiemap -l 5000 100; fiemap 1m; fiemap -v 1m 4k"),
      run(FILE, "fiemap -n 2"),
      run(FILE, "fiemap -v -n 1"),
      run(FILE, "fiemap -n 0; fiemap -a"),
    ],
  },
  {
    name: "a table's columns are as wide as they must be",
    runs: [
      make("truncate 8g; pwrite -q 8589930496 4k; fiemap -v; fiemap -lv; fiemap"),
      run(FILE, "fiemap -v 8g"),
    ],
  },
  {
    name: "space: taken out, put in",
    runs: [
      make(
        "pwrite -q -S 0x41 0 8k; pwrite -q -S 0x42 8k 8k; pwrite -q -S 0x43 16k 8k; fcollapse 8k 8k",
        "stat",
      ),
      run(FILE, "pread -v 8188 8; finsert 4k 12k; stat; pread -v 4092 8; seek -a -r 0; fiemap"),
    ],
  },
  {
    name: "holes and data",
    runs: [
      make("truncate 1m; pwrite -q 64k 8k; pwrite -q 512k 4k; fsync"),
      ...[
        "-d 0",
        "-h 0",
        "-a 0",
        "-a -r 0",
        "-r -d 0",
        "-h -r 0",
        "-a -s -r 0",
        "-s -h 66k",
        "-d 520k",
        "-a 70k",
      ].map((one) => run(FILE, `seek ${one}`)),
      run(FILE, "seek -d 10m; seek -h -s 10m; seek -a -r 1m; seek -s -a 516k; seek -d -h 1000"),
    ],
  },
  {
    name: "mappings",
    runs: [
      make(
        "truncate 16k; mmap 0 16k; mmap; mwrite 0 20; mread -v 0 35; mread 0 16",
        "mwrite -S 0x62 4090 12",
      ),
      run(FILE, "mmap -r 4k 8k; mread -v 4k 16; mread -f 4100 16; mread -vf 4090 20"),
      run(FILE, "mmap 0 10000; mread -rv 4080 40; mread -v 4000 300; mread -v 0 1; mread -v 0 0"),
      run(FILE, "mmap -w 0 4k; mmap; mmap -rx 4k 4k; mmap; mmap 0; print; munmap; munmap; mmap"),
      run(FILE, "mmap 0 8k; msync; msync -s 4k 4k; msync -a; mwrite -r -S 0x63 4000 200; pread -v 4064 64"),
      run(FILE, "mmap -s 64k 0 4k; mmap"),
    ],
  },
  {
    name: "what ends a program",
    runs: [
      make("truncate 4k; pwrite -q 0 4k"),
      run(FILE, "mmap 0 64k; pwrite -q -S 0x77 0 8; mread 40k 1; pwrite -q -S 0x78 0 8"),
      run(FILE, "mmap 0 4k; truncate 0; mwrite 0 1"),
      ["-r", ...run(FILE, "mmap -r 0 4k; mwrite 0 1")],
      run(FILE, "stat"),
    ],
  },
  {
    name: "several files",
    runs: [
      [
        "-f",
        ...run("disk.img:/a", "open -f disk.img:/b; file; print; pwrite 0 10; file 0; stat; close; print"),
      ],
      [...run("disk.img:/a", "pread 0 4; print; stat"), "disk.img:/b"],
      ["-C", "pread 0 4", "-C", "print", "disk.img:/a", "disk.img:/b"],
      run(
        "disk.img:/a",
        "open -a disk.img:/b; open -s disk.img:/b; open -r disk.img:/b; open -d disk.img:/b",
        "open -rst disk.img:/b; open -n disk.img:/b; open -L disk.img:/b; print",
      ),
      run("disk.img:/a", "close; print; pread 0 1; open; open disk.img:/b; open; quit; print"),
    ],
  },
  {
    name: "ways to open",
    runs: [
      ["disk.img:/absent", "-c", "stat"],
      ["-f", "-m", "0640", ...run(FILE, "stat -r; pwrite -q 0 100")],
      ["-a", ...run(FILE, "stat; pwrite 0 10; stat")],
      ["-r", ...run(FILE, "pwrite 0 4; truncate 0; falloc 0 4k; fpunch 0 4k; mmap 0 4k; stat; pread 0 4")],
      ["-t", ...run(FILE, "stat")],
      ["-s", ...run(FILE, "print; pwrite 0 10; stat -v")],
      ["-f", "disk.img:/absent/x", "-c", "stat"],
      ["-f", "disk.img:/file/x", "-c", "stat"],
      ["disk.img:/", "-c", "print"],
    ],
  },
  {
    name: "commands through a pipe",
    runs: [make("pwrite -q 0 4k"), [FILE]],
    input: "pread 0 4\nfoo\n\nfsync\nopen -f disk.img:/b\nprint\npwrite x 1\nclose\nprint\nquit\nprint\n",
  },
  {
    name: "durable",
    runs: [make("pwrite -w 0 1k; pwrite -W 0 1k; pwrite -D 0 1k; fsync; fdatasync; sync; syncfs; s; ds")],
  },
  {
    name: "nothing is asked for",
    runs: [
      ["-r", ...run(FILE, "stat")],
      make("truncate 64k", "pwrite -q 0 20000"),
      ...apart([
        "pwrite -C 1 0; pwrite -B 8k 0; pwrite -B -b 3k 8k 0; pwrite -R 4k 0; pread 4k 0; pread -C 0 0; fiemap 4k 0; fiemap -v 0 0",
        "fiemap -n 0 4k 0; fiemap -n 0; fiemap -a 4k 0; mmap 0 4k",
      ]).flatMap((one) => [run(FILE, one), ["-r", ...run(FILE, one)]]),
    ],
  },
  {
    name: "commands of other file systems, and of experts",
    runs: [[], ["-x"]].flatMap((ways) =>
      [
        "resblks; extsize; cowextsize 4k; bmap; repair; inject",
        "allocsp 4k 0; zero 0 4k; scrub x; imap; parent",
      ].map((some) => ["-f", ...ways, ...run(FILE, some)]),
    ),
  },
  {
    name: "attributes",
    runs: [
      make("truncate 64k; pwrite -q 0 32k; statfs; statfs -c; statfs -gs; utimes 1000 5 -2000 6; stat -r"),
      ...apart([
        "utimes; utimes 1 2 3; utimes x 2 3 4; utimes 1 x 3 4; utimes 1 2 x 4; utimes 1k 2 3 4; utimes 0 -1 0 0",
        "utimes 0 1000000000 0 0; utimes 0 1073741823 0 1073741822; statfs -z; chmod; chmod x",
      ]).map((one) => run(FILE, one)),
      run(FILE, "chmod -r; stat -r; chmod -w; stat -r; chmod -rw; stat -r"),
    ],
  },
  {
    name: "a range is copied",
    runs: [
      make(
        "truncate 64k; pwrite -q 0 32k; copy_range -s 0 -d 64k -l 8k disk.img:/file; stat; pread -v 64k 16",
      ),
      ["-f", ...run("disk.img:/copy", "pwrite -q -S 0x61 0 100k; copy_range disk.img:/file; fsync; stat")],
      run(
        "disk.img:/copy",
        "copy_range -s 4095 -d 1 -l 5 disk.img:/file; pread -v 0 16; copy_range -l 0 disk.img:/file",
      ),
      run(
        "disk.img:/copy",
        "copy_range -s 60k -l 20k -d 128k disk.img:/file; stat; copy_range -s 1m disk.img:/file; stat",
      ),
      ...apart([
        "copy_range; copy_range -s x disk.img:/file; copy_range -d x disk.img:/file; copy_range disk.img:/absent",
        "copy_range -l x disk.img:/file",
      ]).map((one) => run("disk.img:/copy", one)),
    ],
  },
  {
    name: "advice is taken and changes nothing",
    runs: each(
      "fadvise; fadvise -s; fadvise -d 0 4k; fadvise -n 0 0; fadvise -w 4k 4k; fadvise -d; fadvise -r 0 4k",
      "fadvise -z; fadvise 0 4k; fadvise -w x 0; fadvise -w 0 x; madvise; sync_range; sync_range 0 4k",
      "sync_range -abw 0 4k; sync_range x 1; sync_range 0 x; sync_range 7e 7e",
    ),
  },
  {
    name: "advice about mappings",
    runs: [
      make("truncate 64k; pwrite -q 0 32k"),
      ...apart([
        "madvise; madvise -d 0 4k; madvise -r; madvise -s 4k 4k; madvise -w; madvise -z; madvise 1 2",
        "madvise 0 20k; madvise x 1; madvise 0 x; madvise 4k",
      ]).map((one) => run(FILE, "mmap 0 16k", one)),
    ],
  },
  {
    name: "of the modes that falloc is given the last one counts",
    runs: each(
      "falloc -ck 0 4k; falloc -ki 0 4k; falloc -kp 4k 4k; fiemap; falloc -pk 8k 4k; fiemap; falloc -ci 0 4k; stat",
    ),
  },
  {
    name: "space is reserved by the name of old",
    runs: each("resvsp 64k 64k; resvsp; resvsp 0 0; resvsp x 1; resvsp 0 x; resvsp 20t 4k; fiemap; stat"),
  },
  {
    name: "the last bytes that a file can have",
    runs: [
      make("truncate 16t; truncate 17592186040320; stat -r; pwrite 17592186040319 1; seek -a -r 0"),
      run(FILE, "pwrite 17592186040318 3; pread 17592186040319 5; falloc 17592186040319 2; fpunch 0 16t"),
      run(FILE, "falloc 17592186036224 4k; seek -d 0; fzero -k 17592186036224 4k; finsert 0 4k; stat -r"),
      run(
        FILE,
        "fcollapse 0 4k; truncate 17592186040321; fpunch 17592186036224 4k; seek -a -r 0; truncate 0",
      ),
    ],
  },
  ...[1, 2].map((seed): Case => ({
    name: `where data and holes are after any calls on space, ${seed}`,
    runs: [make(...shuffled(seed)), run(FILE, "seek -a -r 0", "stat -r")],
  })),
];
