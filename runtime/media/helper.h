/* SPDX-License-Identifier: Apache-2.0 */
/* The process that decodes. It opens the modality modules, greets, and answers one request after the other
 * (protocol.h) until its socket closes. It bounds its own memory and processor time, so that a file that is
 * out for them ends this process and no other. */
#ifndef TN_MEDIA_HELPER_H
#define TN_MEDIA_HELPER_H

/* The whole of main() for `PROGRAM --media-helper MODULES`: modules are the files to open, absolute, ':'
 * between them ("" for none), beside those that are part of the program. The socket is stdin. Returns the
 * process's exit status. */
int tn_media_helper_main(const char *modules);

#endif
