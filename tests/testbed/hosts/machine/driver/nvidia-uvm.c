// As NVIDIA's: it needs the other one, and is loaded by name.
#include <linux/module.h>

extern int nvidia_stand_in;
int *nvidia_uvm_needs = &nvidia_stand_in;

MODULE_VERSION("580.95.05");
MODULE_DESCRIPTION("Stand-in for tests");
MODULE_LICENSE("GPL");
