// fallocate's mode bits, as Linux defines them.  (include/uapi/linux/falloc.h)

/** Mode bits of `fallocate`. */
export const Fallocate = {
  keepSize: 0x01,
  punchHole: 0x02,
  noHideStale: 0x04,
  collapseRange: 0x08,
  zeroRange: 0x10,
  insertRange: 0x20,
  unshareRange: 0x40,
  writeZeroes: 0x80,
} as const;
