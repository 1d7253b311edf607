/*
 * Pages of a contiguous cache for other processes: as POSIX file descriptors, with a manifest that
 * says what lies where. How descriptors travel (inherited, or over a Unix socket) is up to the
 * caller; the manifest is plain numbers.
 * Implemented by the library in native/memory.
 *
 *   exporter   cache -- vattn_export_pages --> manifest + files      keeps the pages until released
 *   importer   manifest + files -- vattn_import_pages --> view       maps them, in the same places
 *
 * On CUDA a file is one page. On the CPU it is the whole memory of the cache, of which the manifest
 * names parts: whoever gets it can see all. "Read-only" keeps mistakes away, not malice, and on
 * CUDA only where the device knows such access to its own memory.
 */
#ifndef VATTENTION_PAGE_EXPORT_H_
#define VATTENTION_PAGE_EXPORT_H_

#include "vattention/kv_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the manifest: an importer refuses any other. */
#define VATTN_PAGE_MANIFEST_VERSION 1

/* One page at one place. A page that sequences share is listed for each of them. */
typedef struct vattn_exported_page {
  uint32_t size;
  int32_t sequence; /* index among the exported sequences */
  int32_t file;     /* index among the files */
  uint64_t offset;  /* bytes from the start of the sequence's range */
  uint64_t bytes;
  uint64_t file_offset; /* bytes */
} vattn_exported_page;

/* One layer's keys or values: [sequence, token, kvHead, dim]. */
typedef struct vattn_exported_tensor {
  uint32_t size;
  int64_t offset; /* elements from the start of the first sequence's range to [0, 0, 0, 0] */
  int64_t shape[4];
  int64_t stride[4]; /* elements */
} vattn_exported_tensor;

/*
 * Where everything lies. Each sequence has a range of `sequence_bytes`, one after the other, and
 * only pages are behind it; rows from a sequence's length on are not part of the export.
 */
typedef struct vattn_page_manifest {
  uint32_t size;
  int32_t version;
  int32_t device_type;
  int32_t device_index;    /* of the exporter */
  uint8_t device_uuid[16]; /* CUDA: the GPU, which another process may know by another index */
  int32_t dtype;
  int32_t layout;      /* vattn_layout of the exporter: for people, since strides say it all */
  int32_t layer_group; /* of VATTN_LAYOUT_LAYER_GROUP */
  int32_t writable;    /* the files may be mapped for writing */
  int32_t layers;
  int32_t sequences;
  int32_t pages;
  int32_t files;
  uint64_t sequence_bytes;
  const uint32_t* length;           /* [sequences], tokens */
  const vattn_exported_page* page;  /* [pages] */
  const vattn_exported_tensor* key; /* [layers] */
  const vattn_exported_tensor* value;
} vattn_page_manifest;

typedef struct vattn_page_export vattn_page_export; /* opaque */
typedef struct vattn_page_import vattn_page_import; /* opaque */

/*
 * Exports tokens [0, lengths[i]) of sequences[i]; `lengths` NULL: all that is backed. The pages
 * stay as they are until the export is released, whatever becomes of the sequences and of the
 * cache: who rewrites exported tokens writes to a copy. `ready`: passed once those tokens are
 * written, by the streams that are attached and by the cache itself; the caller releases it. NULL:
 * the call waits. Errors: VATTN_STALE_SEQUENCE; VATTN_NOT_BACKED, also for a sequence that has
 * slid; VATTN_UNSUPPORTED by a device that shares no memory; VATTN_BUSY while an attached stream is
 * being captured; VATTN_DEVICE_ERROR, when the process may not open so many files for example.
 */
vattn_status vattn_export_pages(vattn_cache* cache, const vattn_sequence* sequences,
                                const uint32_t* lengths, int32_t count, int32_t writable,
                                vattn_page_export** pages, vattn_fence** ready, vattn_error* error);
/* Both are valid until the export is released. */
const vattn_page_manifest* vattn_export_manifest(const vattn_page_export* pages);
const int32_t* vattn_export_files(const vattn_page_export* pages); /* [manifest.files] */
/* Gives the pages up and closes the files: who needs them longer has duplicated them. */
void vattn_export_release(vattn_page_export* pages);
/*
 * Of the cache's retained bytes, those that exports alone hold: they come back when exports are
 * released, not by evicting prefixes.
 */
vattn_status vattn_exported_bytes(vattn_cache* cache, uint64_t* bytes, vattn_error* error);

/*
 * Maps exported pages into this process, each sequence of the export at a slot of its own. The
 * files may be closed afterwards. Errors: VATTN_INVALID_ARGUMENT for a manifest that contradicts
 * itself or has rows without pages, and when `writable` asks for more than the export gives;
 * VATTN_UNSUPPORTED without the device; VATTN_DEVICE_ERROR for a file that is closed or holds no
 * pages; VATTN_OUT_OF_MEMORY.
 */
vattn_status vattn_import_pages(const vattn_page_manifest* manifest, const int32_t* files,
                                int32_t writable, vattn_page_import** pages, vattn_error* error);
/*
 * What kernels see: `max_sequences` is the number of sequences, `max_length` the longest. Rows
 * beyond a sequence's length are not there, or not the importer's. Valid until the import is
 * released.
 */
vattn_status vattn_import_view(vattn_page_import* pages, vattn_cache_view* view,
                               vattn_error* error);
/* Unmaps them. The caller sees to it that no kernel reads them any more. */
void vattn_import_release(vattn_page_import* pages);

#ifdef __cplusplus
}
#endif
#endif /* VATTENTION_PAGE_EXPORT_H_ */
