/* Postfix begins as root and becomes others. Where the tests are nobody of that kind, it is told that it is root and
   that it became whom it wanted to be, and stays who it is. */
#include <grp.h>
#include <sys/types.h>
#include <unistd.h>

static uid_t real, effective;

uid_t getuid(void) { return real; }
uid_t geteuid(void) { return effective; }
int setuid(uid_t uid) { real = effective = uid; return 0; }
int seteuid(uid_t uid) { effective = uid; return 0; }
int setgid(gid_t gid) { (void)gid; return 0; }
int setegid(gid_t gid) { (void)gid; return 0; }
int setgroups(size_t count, const gid_t *list) { (void)count; (void)list; return 0; }
int initgroups(const char *user, gid_t group) { (void)user; (void)group; return 0; }
int chown(const char *path, uid_t uid, gid_t gid) { (void)path; (void)uid; (void)gid; return 0; }
int fchown(int file, uid_t uid, gid_t gid) { (void)file; (void)uid; (void)gid; return 0; }
